"""What a project mounts: ``path("durable/", include("durable.urls"))``."""

from django.urls import include, path

app_name = "durable"

urlpatterns = [
    path("", include("durable.dashboard.urls")),
]
