"""The addresses of the REST door."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter, get_converters

from durable.rest.views import events, executions, inputs, parts, queues, schedules, workflows
from durable.rest.webhooks.view import Webhook


class NameConverter(StringConverter):
    """Any text: names of questions and queues may have slashes and line breaks."""

    regex = r"[\s\S]+"


if "durable_name" not in get_converters():
    register_converter(NameConverter, "durable_name")

ONE = "executions/<str:id>/"

urlpatterns = [
    path("executions/", executions.Executions.as_view(), name="executions"),
    path(ONE, executions.OneExecution.as_view(), name="execution"),
    path(f"{ONE}steps/", parts.Steps.as_view(), name="execution-steps"),
    path(f"{ONE}waits/", parts.Waits.as_view(), name="execution-waits"),
    path(f"{ONE}events/", parts.ExecutionEvents.as_view(), name="execution-events"),
    path(f"{ONE}children/", parts.Children.as_view(), name="execution-children"),
    path(f"{ONE}graph/", parts.ExecutionGraph.as_view(), name="execution-graph"),
    path(f"{ONE}audit/", parts.Audit.as_view(), name="execution-audit"),
    *(
        path(f"{ONE}{action}/", view.as_view(), name=f"execution-{action}")
        for action, view in executions.ACTS.items()
    ),
    path(
        f"{ONE}inputs/<durable_name:name>/reassign/",
        inputs.ReassignInput.as_view(),
        name="execution-reassign",
    ),
    path(f"{ONE}inputs/<durable_name:name>/", inputs.OneInput.as_view(), name="execution-input"),
    path("inputs/", inputs.Inputs.as_view(), name="inputs"),
    path("events/", events.Events.as_view(), name="events"),
    path("workflows/", workflows.Workflows.as_view(), name="workflows"),
    path("workflows/<str:name>/", workflows.OneWorkflow.as_view(), name="workflow"),
    path("schedules/", schedules.Schedules.as_view(), name="schedules"),
    *(
        path(f"schedules/<str:name>/{change}/", view.as_view(), name=f"schedule-{change}")
        for change, view in schedules.CHANGES.items()
    ),
    path("schedules/<str:name>/", schedules.OneSchedule.as_view(), name="schedule"),
    path("queues/", queues.Queues.as_view(), name="queues"),
    path("queues/<durable_name:name>/pause/", queues.PauseQueue.as_view(), name="queue-pause"),
    path("queues/<durable_name:name>/resume/", queues.ResumeQueue.as_view(), name="queue-resume"),
    path("queues/<durable_name:name>/limit/", queues.LimitQueue.as_view(), name="queue-limit"),
    path("queues/<durable_name:name>/", queues.OneQueue.as_view(), name="queue"),
    path("workers/", queues.Workers.as_view(), name="workers"),
    path("webhooks/<str:source>/", Webhook.as_view(), name="webhook"),
]
