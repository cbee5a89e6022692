"""The REST door alone, as its OpenAPI document describes it."""

from django.urls import include, path

urlpatterns = [path("durable/", include("durable.urls"))]
