"""The guards that keep people and tenants out: who may act on what, start it, and carry which key.

They are on no row of the list.
"""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_UNKNOWN = "tests/attacks/test_unknown_code.py::UnknownCodeTests::test_"
_KEYS = "tests/attacks/test_keys.py::KeyTests::test_"
_STARTS = "tests/attacks/test_keys.py::StartingTests::test_"
_TAKES = "tests/attacks/test_tenants.py::ReassignTests::test_"
_URLS = "tests/attacks/test_every_url.py::EveryUrlTests::test_everybody_gets_what_the_table_says"
_OUTSIDE = _KEYS + "no_key_is_got_outside_of_ones_scope"

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
    mutation(
        0,
        "a step waits under a key of its execution's scope",
        "parks:Opening.at",
        'sizes.scoped(scope, self.key) if self.key else ""',
        "self.key",
        _OUTSIDE,
    ),
    mutation(
        0,
        "a child is of its parent's scope",
        "children:Child.row",
        "            scope=parent.scope,\n",
        "",
        _OUTSIDE,
    ),
    mutation(
        0,
        "what a trigger starts is of the scope of whoever published the event",
        "triggers:_options",
        ", scope=event.scope",
        "",
        _OUTSIDE,
    ),
    mutation(
        0,
        "a rerun is of the scope of the old execution",
        "rerun:rerun",
        "        scope=old.scope,\n",
        "",
        _OUTSIDE,
    ),
    mutation(
        0,
        "the slots of a schedule have its tags",
        "fire:_start",
        "        tags=schedule.tags,\n",
        "",
        _STARTS + "slots_and_runs_of_a_schedule_are_of_whoever_made_it",
    ),
    mutation(
        0,
        "the policies are asked about each key that is carried",
        "access:require_key",
        'policy.allows(user, "carry_key", key)',
        "True",
        _KEYS + "a_key_that_the_policies_refuse_is_carried_by_no_way",
    ),
    mutation(
        0,
        "who may do something else starts nothing by it without the policies' consent",
        "access:require_consent",
        "target is not None and not _agreed(user, action, target)",
        "False",
        _STARTS + "without_the_consent_of_the_policies_nothing_starts_by_any_way",
    ),
    mutation(
        0,
        "who may not answer a question does not take it over",
        "named:refuse_wrong",
        "not may_take(wait, specs, by=by)",
        "False",
        _TAKES + "who_may_not_answer_does_not_take_it_over",
    ),
    mutation(
        0,
        "people who are excluded are not asked instead",
        "named:refuse_wrong",
        "        if excludes(wait, spec):\n",
        "        if False:\n",
        _TAKES + "unknown_and_excluded_people_are_refused",
    ),
    mutation(
        0,
        "the log of Django's admin tells no tenant of another's queues and workers",
        "base:Pages.history_view",
        "        raise Http404\n",
        "        return super().history_view(request, object_id, extra_context)\n",
        _URLS,
    ),
    mutation(
        0,
        "the pages of ModelAdmin answer the methods that they have",
        "base:Pages.get_urls",
        "require_http_methods(takes)(one.callback)",
        "one.callback",
        _URLS,
    ),
    mutation(
        0,
        "the pages beside those of ModelAdmin answer the methods that they have",
        "base:Pages.url",
        "require_http_methods(takes)(self.admin_site.admin_view(or_404(view)))",
        "self.admin_site.admin_view(or_404(view))",
        _URLS,
    ),
    mutation(
        0,
        "the pages of questions answer the methods that they have",
        "inputs:InputAdmin.get_urls",
        "require_http_methods(FORMS)(self.admin_site.admin_view(page))",
        "self.admin_site.admin_view(page)",
        _URLS,
    ),
)
