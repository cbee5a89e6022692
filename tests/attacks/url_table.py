"""The table of every URL: who gets what, by which method."""

from __future__ import annotations

from typing import Any

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

#: The columns. All but the last are of the tenant ``umbrella``, to which all rows belong; the last
#: has every permission of the app, and is of another tenant.
ROLES = ("anonymous", "nobody", "viewer", "approver", "operator", "superuser", "stranger")

#: Who has no column but gets what others get: in the admin, and elsewhere.
AS = {"customer": ("anonymous", "nobody"), "inactive": ("anonymous", "anonymous")}

#: What each column gets for a method that a URL has no line for. REST asks first who is there.
NOT_THERE = {"rest": ("403", *["405"] * 6), "elsewhere": ("405",) * 7}

#: ``login`` is a redirect to the login. ``!`` says that the request changes something: no other
#: may. HEAD gets what GET gets. Words in braces are rows of the world. After an ``@`` stands which
#: other body is sent, by the methods of its lines only.
TABLE = """
#                                                             anon. nob. view appr oper sup. stra.

# Executions
GET  /admin/durable/execution/                                login 403  200  200  200  200  200
POST /admin/durable/execution/                                login 403  403  403  302! 302! 302
POST /admin/durable/execution/@pause                          login 403  403  403  302! 302! 302
POST /admin/durable/execution/@resume                         login 403  403  403  302! 302! 302
POST /admin/durable/execution/@retry                          login 403  403  403  302! 302! 302
POST /admin/durable/execution/@rerun                          login 403  403  403  302! 302! 302
GET  /admin/durable/execution/overview/                       login 403  200  200  200  200  200
GET  /admin/durable/execution/workflows/                      login 403  200  200  200  200  200
GET  /admin/durable/execution/workflows/ship/                 login 403  200  200  200  200  200
POST /admin/durable/execution/workflows/ship/                 login 403  403  403  302! 302! 302!
GET  /admin/durable/execution/{waiting}/change/               login 403  200  200  200  200  404
GET  /admin/durable/execution/{waiting}/live/                 login 403  200  200  200  200  404
GET  /admin/durable/execution/{waiting}/raw/                  login 403  200  200  200  200  404
GET  /admin/durable/execution/{waiting}/steps/{attempt}/      login 403  200  200  200  200  404
GET  /admin/durable/execution/{waiting}/do/pause/             login 403  403  403  200  200  404
POST /admin/durable/execution/{waiting}/do/pause/             login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{paused}/do/resume/             login 403  403  403  200  200  404
POST /admin/durable/execution/{paused}/do/resume/             login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{waiting}/do/cancel/            login 403  403  403  200  200  404
POST /admin/durable/execution/{waiting}/do/cancel/            login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{waiting}/do/cancel_compensate/ login 403  403  403  200  200  404
POST /admin/durable/execution/{waiting}/do/cancel_compensate/ login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{failed}/do/retry/              login 403  403  403  200  200  404
POST /admin/durable/execution/{failed}/do/retry/              login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{failed}/do/rerun/              login 403  403  403  200  200  404
POST /admin/durable/execution/{failed}/do/rerun/              login 403  403  403  302! 302! 404
GET  /admin/durable/execution/{failed}/do/compensate/         login 403  403  403  200  200  404
POST /admin/durable/execution/{failed}/do/compensate/         login 403  403  403  302! 302! 404

# Questions: any staff has a list, which is empty for who is asked nothing
GET  /admin/durable/input/                                    login 200  200  200  200  200  200
POST /admin/durable/input/                                    login 200  200  200  200  200  200
GET  /admin/durable/input/decide/approved/?id={wait}          login 404  200  200  200  200  404
POST /admin/durable/input/decide/approved/?id={wait}          login 404  403  302! 403  302! 404
GET  /admin/durable/input/decide/rejected/?id={wait}          login 404  200  200  200  200  404
POST /admin/durable/input/decide/rejected/?id={wait}          login 404  403  302! 403  302! 404
GET  /admin/durable/input/{wait}/change/                      login 404  200  200  200  200  404
POST /admin/durable/input/{wait}/change/                      login 404  403  302! 403  302! 404
GET  /admin/durable/input/{wait}/reassign/                    login 404  403  403  200  200  404
POST /admin/durable/input/{wait}/reassign/                    login 404  403  403  302! 302! 404

# Schedules
GET  /admin/durable/schedule/                                 login 403  200  403  200  200  200
GET  /admin/durable/schedule/add/                             login 403  403  403  200  200  200
POST /admin/durable/schedule/add/                             login 403  403  403  302! 302! 403
GET  /admin/durable/schedule/{schedule}/change/               login 403  200  403  200  200  404
GET  /admin/durable/schedule/{schedule}/do/run/               login 403  302  403  302  302  404
POST /admin/durable/schedule/{schedule}/do/run/               login 403  403  403  302! 302! 404
GET  /admin/durable/schedule/{schedule}/do/disable/           login 403  302  403  302  302  404
POST /admin/durable/schedule/{schedule}/do/disable/           login 403  403  403  302! 302! 404
GET  /admin/durable/schedule/{schedule}/do/enable/            login 403  302  403  302  302  404
POST /admin/durable/schedule/{schedule}/do/enable/            login 403  403  403  302! 302! 404
GET  /admin/durable/schedule/{schedule}/do/remove/            login 403  302  403  302  302  404
POST /admin/durable/schedule/{schedule}/do/remove/            login 403  403  403  302! 302! 404
GET  /admin/durable/schedule/{schedule}/do/edit/              login 403  302  403  302  302  404
POST /admin/durable/schedule/{schedule}/do/edit/              login 403  403  403  302! 302! 404

# Queues and workers: what is one's own is on a list, there is no page of a row
GET  /admin/durable/queue/                                    login 403  200  403  200  200  200
GET  /admin/durable/queue/do/                                 login 403  302  403  302  302  302
POST /admin/durable/queue/do/                                 login 403  403  403  302! 302! 403
POST /admin/durable/queue/do/@resume                          login 403  403  403  302! 302! 403
POST /admin/durable/queue/do/@limit                           login 403  403  403  302! 302! 403
GET  /admin/durable/queue/umbrella-queue/change/              login 403  302  403  302  302  302
GET  /admin/durable/worker/                                   login 403  200  403  200  200  200
GET  /admin/durable/worker/{worker}/change/                   login 403  302  403  302  302  302

# Events and the audit trail
GET  /admin/durable/event/                                    login 403  200  403  200  200  200
GET  /admin/durable/event/{event}/change/                     login 403  200  403  200  200  404
GET  /admin/durable/auditentry/                               login 403  200  403  200  200  200
GET  /admin/durable/auditentry/{entry}/change/                login 403  200  403  200  200  404

# What ModelAdmin has and nobody needs: rows are the engine's, changes are in the audit trail
GET  /admin/durable/execution/{waiting}/history/              login 404  404  404  404  404  404
GET  /admin/durable/execution/{waiting}/delete/               login 403  403  403  403  403  403
GET  /admin/durable/execution/add/                            login 403  403  403  403  403  403
GET  /admin/durable/schedule/{schedule}/history/              login 404  404  404  404  404  404
GET  /admin/durable/schedule/{schedule}/delete/               login 403  403  403  403  403  403
GET  /admin/durable/queue/umbrella-queue/history/             login 404  404  404  404  404  404
GET  /admin/durable/queue/umbrella-queue/delete/              login 403  403  403  403  403  403
GET  /admin/durable/queue/add/                                login 403  403  403  403  403  403
GET  /admin/durable/worker/{worker}/history/                  login 404  404  404  404  404  404
GET  /admin/durable/worker/{worker}/delete/                   login 403  403  403  403  403  403
GET  /admin/durable/worker/add/                               login 403  403  403  403  403  403
GET  /admin/durable/event/{event}/history/                    login 404  404  404  404  404  404
GET  /admin/durable/event/{event}/delete/                     login 403  403  403  403  403  403
GET  /admin/durable/event/add/                                login 403  403  403  403  403  403
GET  /admin/durable/auditentry/{entry}/history/               login 404  404  404  404  404  404
GET  /admin/durable/auditentry/{entry}/delete/                login 403  403  403  403  403  403
GET  /admin/durable/auditentry/add/                           login 403  403  403  403  403  403

# The admin's own shortcuts to the page of a row, whether there is such a row or not
GET  /admin/durable/execution/{waiting}/                      login 302  302  302  302  302  302
GET  /admin/durable/schedule/{schedule}/                      login 302  302  302  302  302  302
GET  /admin/durable/queue/umbrella-queue/                     login 302  302  302  302  302  302
GET  /admin/durable/worker/{worker}/                          login 302  302  302  302  302  302
GET  /admin/durable/event/{event}/                            login 302  302  302  302  302  302
GET  /admin/durable/auditentry/{entry}/                       login 302  302  302  302  302  302

# Links in mails are for whoever has them; webhooks for whoever signs
GET  /durable/answer/{approve}/                               200   200  200  200  200  200  200
POST /durable/answer/{approve}/                               200!  200! 200! 200! 200! 200! 200!
GET  /durable/answer/{reject}/                                200   200  200  200  200  200  200
POST /durable/answer/{reject}/                                200!  200! 200! 200! 200! 200! 200!
GET  /durable/answer/forged/                                  404   404  404  404  404  404  404
POST /durable/answer/forged/                                  404   404  404  404  404  404  404
POST /durable/webhooks/shop/                                  401   401  401  401  401  401  401

# REST: executions
GET  /durable/executions/                                     403   403  200  200  200  200  200
POST /durable/executions/                                     403   403  403  403  201! 201! 201!
GET  /durable/executions/{waiting}/                           403   404  200  200  200  200  404
GET  /durable/executions/{waiting}/steps/                     403   404  200  200  200  200  404
GET  /durable/executions/{waiting}/waits/                     403   404  200  200  200  200  404
GET  /durable/executions/{waiting}/children/                  403   404  200  200  200  200  404
GET  /durable/executions/{waiting}/graph/                     403   404  200  200  200  200  404
GET  /durable/executions/{waiting}/audit/                     403   404  200  403  200  200  404
GET  /durable/executions/{waiting}/events/                    403   404  200  403  200  200  404
POST /durable/executions/{waiting}/events/                    403   404  403  403  201! 201! 404
POST /durable/executions/{waiting}/pause/                     403   404  403  403  200! 200! 404
POST /durable/executions/{paused}/resume/                     403   404  403  403  200! 200! 404
POST /durable/executions/{waiting}/cancel/                    403   404  403  403  200! 200! 404
POST /durable/executions/{failed}/retry/                      403   404  403  403  200! 200! 404
POST /durable/executions/{failed}/rerun/                      403   404  403  403  201! 201! 404
POST /durable/executions/{failed}/compensate/                 403   404  403  403  200! 200! 404
GET  /durable/executions/{waiting}/inputs/boss/               403   404  200  200  200  200  404
POST /durable/executions/{waiting}/inputs/boss/               403   404  403  200! 403  200! 404
POST /durable/executions/{waiting}/inputs/boss/reassign/      403   404  403  403  200! 200! 404

# REST: everything else
GET  /durable/inputs/                                         403   200  200  200  200  200  200
GET  /durable/workflows/                                      403   403  200  200  200  200  200
GET  /durable/workflows/ship/                                 403   403  200  200  200  200  200
GET  /durable/schedules/                                      403   403  200  403  200  200  200
GET  /durable/schedules/umbrella-daily/                       403   403  200  403  200  200  404
GET  /durable/queues/                                         403   403  200  403  200  200  200
GET  /durable/queues/umbrella-queue/                          403   403  200  403  200  200  404
GET  /durable/workers/                                        403   403  200  403  200  200  200
GET  /durable/events/                                         403   403  200  403  200  200  200
POST /durable/events/                                         403   403  403  403  201! 201! 201!
POST /durable/schedules/umbrella-daily/enable/                403   403  403  403  200! 200! 404
POST /durable/schedules/umbrella-daily/disable/               403   403  403  403  200! 200! 404
POST /durable/schedules/umbrella-daily/trigger/               403   403  403  403  201! 201! 404
POST /durable/queues/umbrella-queue/pause/                    403   403  403  403  200! 200! 404
POST /durable/queues/umbrella-held/resume/                    403   403  403  403  200! 200! 404
POST /durable/queues/umbrella-queue/limit/                    403   403  403  403  200! 200! 404
"""

_A, _E, _R = "/admin/durable/", "/admin/durable/execution/", "/durable/"
_SURE = {"confirmed": "1", "reason": "so it was agreed"}
_EDIT = {"cron": "0 8 * * *", "timezone": "UTC", "catch_up": "latest", "overlap": "allow"}
_ROWS = {
    "cancel": "{waiting}",
    "cancel_compensate": "{waiting}",
    "pause": "{waiting}",
    "resume": "{paused}",
    "retry": "{failed}",
    "rerun": "{failed}",
    "compensate": "{failed}",
}

#: What is sent with each method that takes a body; nothing to the others.
BODIES: dict[str, dict[str, Any]] = {
    **{f"{_E}{row}/do/{act}/": _SURE for act, row in _ROWS.items()},
    _E: {**_SURE, "action": "cancel", "_selected_action": "{waiting}"},
    **{
        f"{_E}@{act}": {**_SURE, "action": act, "_selected_action": _ROWS[act]}
        for act in ("pause", "resume", "retry", "rerun")
    },
    f"{_E}workflows/ship/": {"input": "{{}}"},
    f"{_A}input/": {"action": "approve", "_selected_action": "{wait}"},
    f"{_A}input/decide/approved/?id={{wait}}": {"id": "{wait}"},
    f"{_A}input/decide/rejected/?id={{wait}}": {"id": "{wait}"},
    f"{_A}input/{{wait}}/change/": {"_decision": "approved"},
    f"{_A}input/{{wait}}/reassign/": {"others": "user:umbrella-viewer"},
    f"{_A}schedule/add/": {**_EDIT, "name": "umbrella-hourly", "workflow": "ship"},
    f"{_A}schedule/{{schedule}}/do/edit/": {**_EDIT, "input": "{{}}"},
    f"{_A}queue/do/": {"name": "umbrella-queue", "act": "pause"},
    f"{_A}queue/do/@resume": {"name": "umbrella-held", "act": "resume"},
    f"{_A}queue/do/@limit": {"name": "umbrella-queue", "act": "limit", "limit": "2"},
    f"{_R}webhooks/shop/": {"type": "x"},
    f"{_R}executions/": {"workflow": "ship"},
    f"{_R}executions/{{waiting}}/events/": {"name": "x"},
    f"{_R}executions/{{waiting}}/inputs/boss/": {"answer": "approved"},
    f"{_R}executions/{{waiting}}/inputs/boss/reassign/": {"to": ["user:umbrella-viewer"]},
    f"{_R}events/": {"name": "x"},
    f"{_R}queues/umbrella-queue/limit/": {"limit": 2},
}
