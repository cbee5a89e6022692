"""The pages outside the admin: the one that a link in a mail leads to."""

from django.urls import path

from durable.dashboard.people import links

urlpatterns = [
    path("answer/<str:token>/", links.answer, name="answer"),
]
