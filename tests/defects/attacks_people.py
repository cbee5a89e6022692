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
)
