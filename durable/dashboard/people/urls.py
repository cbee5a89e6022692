"""The one address outside the admin: the page behind a link in a mail."""

from django.urls import path

from durable.dashboard.people import links

urlpatterns = [
    path("answer/<str:token>/", links.answer, name="answer"),
]
