"""The example's app."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """``example_project.shop``; its label leaves ``shop`` to the apps of others."""

    name = "example_project.shop"
    label = "example_shop"
    verbose_name = "Shop"
    default_auto_field = "django.db.models.BigAutoField"
