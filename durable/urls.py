"""The URLs for a project to mount: ``path("durable/", include("durable.urls"))``.

They are the REST API, the webhooks, and the pages behind the links in mails.
"""

from django.urls import include, path

from durable.rest.urls import urlpatterns as rest

__all__ = [
    "app_name",
    "urlpatterns",
]

app_name = "durable"

urlpatterns = [path("", include("durable.dashboard.people.urls")), *rest]
