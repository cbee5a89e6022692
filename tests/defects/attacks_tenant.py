"""The guards that keep people and tenants out: who may act on what, start it, and carry which key.

They are on no row of the list.
"""

from __future__ import annotations

from tests.defects.mutation import Mutation, mutation

_UNKNOWN = "tests/attacks/test_unknown_code.py::UnknownCodeTests::test_"

ATTACKS_TENANT: tuple[Mutation, ...] = (
    mutation(
        0,
        "on code that this process lacks only superusers act",
        "workflows:lets",
        "    if lacking(target):\n",
        "    if False:\n",
        _UNKNOWN + "nothing_is_done_where_the_workflow_is_unknown",
        _UNKNOWN + "nothing_is_done_to_executions_whose_version_is_unknown",
    ),
    mutation(
        0,
        "a schedule whose workflow is unknown is code that this process lacks",
        "workflows:lacking",
        "isinstance(target, Schedule) and",
        "False and",
        _UNKNOWN + "nothing_is_done_where_the_workflow_is_unknown",
    ),
    mutation(
        0,
        "what the workflow asks for is asked of whoever acts on it",
        "access:_agreed",
        "not workflows.lets(user, target)",
        "False",
        _UNKNOWN + "nothing_is_done_without_it",
    ),
    mutation(
        0,
        "a worker that lacks the code drops no mail",
        "mail:tell",
        "    if workflows.lacking(wait):",
        "    if False:",
        _UNKNOWN + "a_worker_without_the_code_leaves_mails_to_one_that_has_it",
    ),
)
