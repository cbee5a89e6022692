"""The addresses of the example: Django's admin, the REST door, webhooks and links in mails."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("durable/", include("durable.urls")),
]
