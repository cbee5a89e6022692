"""What a project mounts: ``path("durable/", include("durable.urls"))``.

The REST door, the webhooks, and the pages that links in mails lead to.
"""

from django.urls import include, path

from durable.rest.urls import urlpatterns as rest

__all__ = [
    "app_name",
    "urlpatterns",
]

app_name = "durable"

urlpatterns = [path("", include("durable.dashboard.people.urls")), *rest]
