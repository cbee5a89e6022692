"""``path("durable/", include("durable.urls"))``: the REST door and the webhooks."""

from durable.rest.urls import urlpatterns

app_name = "durable"

__all__ = ["app_name", "urlpatterns"]
