"""The guards against attacks on what is shown, and on who people are."""

from __future__ import annotations

from tests.defects.mutation import Mutation, mutation

_FORMS = "tests/attacks/test_masked_forms.py::"
_TEXTS = _FORMS + "TextTests::test_no_form_of_a_secret_shows_in_a_text"
_VALUES = _FORMS + "ValueTests::test_no_form_of_a_secret_shows_in_a_value"
_COLUMNS = (
    "tests/attacks/test_masked_columns.py::ColumnTests"
    "::test_no_door_shows_what_looks_secret_in_any_column"
)

_PEOPLE = "tests/attacks/test_people_by_id.py::PeopleByIdTests::test_"

_BY = "tests/attacks/test_commands_by.py::"
_ROLE = _BY + "PermissionTests::test_"
_OBJECTS = "tests/attacks/test_object_permissions.py::ObjectPermissionTests::test_"

ATTACKS_PEOPLE: tuple[Mutation, ...] = (
    mutation(
        11,
        "the whole line of a header with credentials is hidden",
        "secrets_in_text:_Reader._end",
        '        if name["pair"] is None and any(one in plain for one in _LINE):\n',
        "        if False:\n",
        _TEXTS,
    ),
    mutation(
        11,
        "a value in brackets is hidden to the bracket that closes it",
        "secrets_in_text:_Reader._pieces",
        "                at = self._bracket(at)\n",
        "                at += 1\n",
        _TEXTS,
    ),
    mutation(
        11,
        "an escaped quote closes no string",
        "secrets_in_text:_Reader._closing",
        "            if (run - slashes) % (2 * (slashes + 1)) == 0:\n",
        "            if True:\n",
        _TEXTS,
    ),
    mutation(
        11,
        "a name beside a value makes it secret in a text",
        "secrets_in_text:_Reader.named",
        "            elif found := self._beside(name):\n",
        "            elif found := None:\n",
        _TEXTS,
    ),
    mutation(
        11,
        "a name beside a value makes it secret in a mapping",
        "masking:_pairs_masked",
        "        secret = names.fit(str(key)) or (named and Names.plain(str(key)) in VALUES)\n",
        "        secret = names.fit(str(key))\n",
        _VALUES,
    ),
    mutation(
        11,
        "a pair of a name and a value is a key, too",
        "masking:_items_masked",
        "            found[place] = HIDDEN\n",
        "            pass\n",
        _VALUES,
    ),
    mutation(
        11,
        "JSON within a text is masked by its keys",
        "masking:_json_masked",
        "        if masked != value:\n",
        "        if False:\n",
        _VALUES,
    ),
    mutation(
        11,
        "passwords in addresses and private keys need no name",
        "secrets_in_text:spans",
        "sorted([*_Reader(text, fits).named(), *_unnamed(text, fits)])",
        "sorted(_Reader(text, fits).named())",
        _TEXTS,
    ),
    mutation(
        11,
        "REST masks the texts of people",
        "shown:Text.shown",
        "        return masking.text(value)\n",
        "        return value\n",
        _COLUMNS,
    ),
    mutation(
        11,
        "the page of a question masks its prompt",
        "input_page:facts",
        "masking.text(question.prompt)",
        "question.prompt",
        _COLUMNS,
    ),
    mutation(
        11,
        "the form of a question masks its texts",
        "input_forms:_legible",
        "visible_line(masking.text(str(field.label)))",
        "visible_line(str(field.label))",
        _COLUMNS,
    ),
    mutation(
        11,
        "the schema of an answer masks its texts",
        "schema:schema_of",
        "masking.text(question.prompt)",
        "question.prompt",
        _COLUMNS,
    ),
    mutation(
        11,
        "a question remembers whose its names were when it was asked",
        "suspend:_open",
        "        people=question.people(),\n",
        "",
        _PEOPLE + "who_is_excluded_stays_so_under_another_name",
        _PEOPLE + "a_group_that_is_excluded_stays_so_under_another_name",
        _PEOPLE + "who_is_asked_stays_so_under_another_name",
        _PEOPLE + "a_new_account_under_the_name_of_a_deleted_one_inherits_nothing",
        _PEOPLE + "a_new_group_under_the_name_of_a_deleted_one_inherits_nothing",
        _PEOPLE + "a_member_of_a_group_is_asked_under_its_new_name",
    ),
    mutation(
        11,
        "a question that is handed on remembers whose the new names are",
        "answer:hand_on",
        '"people": {**known, role: ids}',
        '"people": known',
        _PEOPLE + "a_question_that_is_handed_on_belongs_to_the_account",
    ),
    mutation(
        11,
        "who is excluded under a name that nobody has exactly is found in any letter case",
        "who:ids_of",
        '        found.get(EXCLUDE, {}).update(_ids(nobodys, "iexact"))\n',
        "",
        _PEOPLE + "who_is_excluded_in_another_letter_case_stays_so_under_another_name",
    ),
    mutation(
        11,
        "a name without an id excludes in any letter case",
        "question:Question.excludes",
        ", any_case=True",
        "",
        _PEOPLE + "who_is_excluded_before_the_account_exists_is_excluded_in_any_case",
        _PEOPLE + "a_row_without_ids_goes_by_names",
    ),
    mutation(
        11,
        "what waits for somebody is found by their id",
        "access:_perhaps_for",
        "    for pk in (str(user.pk), *groups):\n",
        "    for pk in ():\n",
        _PEOPLE + "who_is_asked_stays_so_under_another_name",
    ),
    mutation(
        11,
        "mails go to accounts, not to names",
        "mail:_named",
        "    ids = {spec: [pk for one in asked for pk in one.get(spec, ())] for spec in to}\n",
        "    ids = {spec: [] for spec in to}\n",
        _PEOPLE + "who_is_asked_stays_so_under_another_name",
    ),
    mutation(
        11,
        "a command draws a flow for who may see executions",
        "durable_graph:Command.answer",
        '        self.require("view")\n',
        "",
        _ROLE + "each_command_takes_the_permission_that_other_doors_take",
    ),
    mutation(
        11,
        "a command finds no masked tag for who may not see it",
        "durable_list:Command._known",
        '            self.require("view_payload")\n',
        "            pass\n",
        _ROLE + "each_command_takes_the_permission_that_other_doors_take",
    ),
    mutation(
        11,
        "a command waits for a result with who may see it",
        "durable_run:Command.answer",
        '            self.require("view")\n',
        "            pass\n",
        _ROLE + "each_command_takes_the_permission_that_other_doors_take",
    ),
    mutation(
        11,
        "a command shows events to who may see events",
        "durable_inspect:Command.answer",
        'self.by is None or self.by.has_perm("durable.view_event")',
        "True",
        _ROLE + "events_are_shown_to_who_may_see_events",
    ),
    mutation(
        11,
        "REST shows the events of an execution to who may see events",
        "parts:Events.rows",
        "        permissions.require_events(self.request.user)\n",
        "",
        _ROLE + "rest_shows_the_events_of_an_execution_to_who_may_see_events",
    ),
    mutation(
        11,
        "a command lists the children that its user may see",
        "dossier:_children",
        "    if wanted.visible is not None:\n",
        "    if False:\n",
        _BY + "TenantTests::test_children_of_another_tenant_are_not_listed",
    ),
    mutation(
        11,
        "a command asks about a part as about the whole",
        "durable_inspect:Command.answer",
        "        root = whole(execution)\n",
        "        root = execution\n",
        _BY + "TenantTests::test_a_part_is_acted_on_with_the_rights_of_the_whole",
    ),
    mutation(
        11,
        "object permissions are asked wherever a list is given out",
        "base:View.as_json",
        "self.permitted(rows) if isinstance(rows, list) else self.checked(rows)",
        "rows",
        _OBJECTS + "no_list_has_what_the_project_refuses",
        _OBJECTS + "a_child_that_is_refused_is_not_among_the_children",
    ),
    mutation(
        11,
        "object permissions are asked before a question is answered or handed on",
        "inputs:_QuestionView.known",
        "self.checked(inputs.known(self.request.user, asked).wait)",
        "inputs.known(self.request.user, asked).wait",
        _OBJECTS + "what_the_project_refuses_is_given_out_and_changed_at_no_address",
    ),
    mutation(
        11,
        "object permissions are asked before a queue is changed",
        "queues:_QueueView.state",
        "        self.checked(found)\n",
        "",
        _OBJECTS + "what_the_project_refuses_is_given_out_and_changed_at_no_address",
    ),
)
