"""The guards of lists, names, rows, queues, webhooks and audit entries.

They are on no row of the list.
"""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_LISTS = "tests/attacks/test_lookups.py::"
_NAMES = "tests/attacks/test_names.py::"
_PLACES = "tests/attacks/test_places.py::PlaceTests::test_"
_HOOKS = "tests/attacks/test_webhook_tenants.py::WebhookTenantTests::test_"
_AUDIT = "tests/attacks/test_audit_rows.py::AuditRowTests::test_"
_TENANTS = "tests/attacks/test_tenants.py::TenantTests::test_"

ATTACKS_DOORS: tuple[Mutation, ...] = (
    mutation(
        0,
        "a masked tag is not looked for over REST",
        "filters:TagFilter.filter",
        "qs.none() if masking.hides(name) else ",
        "",
        _LISTS + "RestFilterTests::test_a_masked_tag_finds_nothing",
    ),
    mutation(
        0,
        "a search has no more words than somebody writes",
        "search:words",
        "if len(found) <= WORDS and len(text) <= KEY_CHARACTERS else None",
        "or None",
        _LISTS + "AdminLookupTests::test_a_search_is_no_longer_than_anybody_writes",
    ),
    mutation(
        0,
        "a prompt is searched as it is shown",
        "input_lists:asks",
        'if access.may(user, "view_payload") and not access.policies():',
        "if True:",
        _LISTS + "PromptTests::test_no_word_and_no_part_of_a_word_tells_what_is_masked",
    ),
    mutation(
        0,
        "another queue or priority takes the right to manage queues",
        "starting:start",
        "    _require_place(user, workflow, options)\n",
        "",
        _PLACES + "who_may_start_starts_where_it_was_planned",
    ),
    mutation(
        0,
        "choices name no workflow or queue that is out of reach",
        "names:_in_use",
        "[one for one in found if _reaches(user, **{column: one})] if access.policies() else found",
        "found",
        _NAMES + "NameTests::test_no_page_names_what_is_anothers",
    ),
    mutation(
        0,
        "a workflow that one may not start is as one that there is not",
        "names:resolve",
        "known is None or not knows(user, known)",
        "known is None",
        _NAMES + "NameTests::test_to_ask_for_anothers_is_as_to_ask_for_nothing",
    ),
    mutation(
        0,
        "which rows there are is for who may see them",
        "access:require_sight",
        "if not sees_rows(user, model):",
        "if False:",
        _NAMES + "SubjectTests::test_existence_of_a_row",
        _NAMES + "SubjectTests::test_existence_of_a_row_for_commands",
    ),
    mutation(
        0,
        "the words of a row are for who may see it",
        "input_page:subjects",
        "shown = model is not None and access.sees_rows(user, model)",
        "shown = model is not None",
        _NAMES + "SubjectTests::test_words_of_a_row",
    ),
    mutation(
        0,
        "a question that one has answered is in reach of the policies",
        "inputs:seen_by",
        "return access.in_scope(user, Execution.objects.filter(pk=wait.root_id)).exists()",
        "return True",
        _TENANTS + "an_answer_is_not_for_who_has_left_the_tenant",
    ),
    mutation(
        0,
        "a webhook is stored for its tenant",
        "store:_publish",
        "origin=meaning.origin,",
        "",
        _HOOKS + "it_reaches_its_tenant_and_nobody_else",
        _HOOKS + "what_it_starts_is_of_the_tenant",
        _HOOKS + "the_same_id_of_two_tenants_is_two_events",
    ),
    mutation(
        0,
        "the database refuses changes of audit entries",
        "0010_audit_entries_stay:install",
        "    audit_trigger.install(schema_editor.connection)\n",
        "    pass\n",
        _AUDIT + "no_column_is_written_over_by_any_way",
        _AUDIT + "the_doctor_misses_the_trigger",
    ),
)
