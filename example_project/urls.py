"""The addresses of the example: Django's admin, and what durable has besides."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("durable/", include("durable.urls")),
]
