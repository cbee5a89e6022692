"""The small app whose workflows and rows the suite works with."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """``tests.shop``, under the label ``shop``."""

    name = "tests.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
