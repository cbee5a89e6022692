"""The shop's rows in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from example_project.shop.models import Charge, Expense, Invoice, Order, OutboxMail, Subscription

if TYPE_CHECKING:
    OrderBase = admin.ModelAdmin[Order]
    InvoiceBase = admin.ModelAdmin[Invoice]
    ExpenseBase = admin.ModelAdmin[Expense]
    SubscriptionBase = admin.ModelAdmin[Subscription]
    OutboxMailBase = admin.ModelAdmin[OutboxMail]
    ChargeBase = admin.ModelAdmin[Charge]
else:
    OrderBase = InvoiceBase = ExpenseBase = admin.ModelAdmin
    SubscriptionBase = OutboxMailBase = ChargeBase = admin.ModelAdmin


@admin.register(Order)
class OrderAdmin(OrderBase):
    list_display = ("reference", "customer", "total", "status")


@admin.register(Invoice)
class InvoiceAdmin(InvoiceBase):
    list_display = ("order", "amount")


@admin.register(Expense)
class ExpenseAdmin(ExpenseBase):
    list_display = ("employee", "amount", "status")


@admin.register(Subscription)
class SubscriptionAdmin(SubscriptionBase):
    list_display = ("customer", "active")


@admin.register(OutboxMail)
class OutboxMailAdmin(OutboxMailBase):
    list_display = ("to", "subject", "created_at")


@admin.register(Charge)
class ChargeAdmin(ChargeBase):
    list_display = ("order_reference", "amount", "requests", "taken")
