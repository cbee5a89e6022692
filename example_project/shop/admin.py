"""The shop's rows in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from example_project.shop import models

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(models.Order)
class OrderAdmin(ModelAdmin):
    list_display = ("reference", "customer", "total", "status", "created_at")
    list_filter = ("status",)


@admin.register(models.Invoice)
class InvoiceAdmin(ModelAdmin):
    list_display = ("order", "amount")
    list_select_related = ("order",)


@admin.register(models.Expense)
class ExpenseAdmin(ModelAdmin):
    list_display = ("employee", "amount", "status")
    list_filter = ("status",)


@admin.register(models.Subscription)
class SubscriptionAdmin(ModelAdmin):
    list_display = ("customer", "active")


@admin.register(models.Notification)
class NotificationAdmin(ModelAdmin):
    list_display = ("text", "user", "read")
    list_select_related = ("user",)


@admin.register(models.Dashboard)
class DashboardAdmin(ModelAdmin):
    list_display = ("user", "page")
    list_select_related = ("user",)


@admin.register(models.Campaign)
class CampaignAdmin(ModelAdmin):
    list_display = ("subject",)


@admin.register(models.Subscriber)
class SubscriberAdmin(ModelAdmin):
    list_display = ("email", "active")
    search_fields = ("email",)


@admin.register(models.SalesReport)
class SalesReportAdmin(ModelAdmin):
    list_display = ("until", "orders", "revenue")


@admin.register(models.OutboxMail)
class OutboxMailAdmin(ModelAdmin):
    list_display = ("to", "subject", "created_at")
    search_fields = ("to", "subject")


@admin.register(models.ChatMessage)
class ChatMessageAdmin(ModelAdmin):
    list_display = ("channel", "text")


@admin.register(models.Charge)
class ChargeAdmin(ModelAdmin):
    list_display = ("order_reference", "amount", "requests", "taken")


@admin.register(models.Booking)
class BookingAdmin(ModelAdmin):
    list_display = ("what", "company", "price", "requests")


@admin.register(models.Refund)
class RefundAdmin(ModelAdmin):
    list_display = ("booking", "amount", "requests")
    list_select_related = ("booking",)
