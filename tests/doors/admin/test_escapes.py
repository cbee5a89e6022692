"""Whatever is in the data, a page is made of our own elements only, and of nothing inline."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import TestCase as PlainTestCase

import durable
from durable import Data, Fail, Workflow, step
from durable.engine.operators import queues
from durable.engine.start import send
from durable.engine.start.start import StartOptions, start
from durable.models import Event, Execution, Schedule, StepRun, Wait, Worker
from durable.storage.audit import origin
from durable.testing import drain
from tests.cases import WorkflowTestCase
from tests.doors.admin.site import browser, cells_to_see, page, person, world

MARK = "zzmark"
CORPUS = (
    f"<script>{MARK}()</script>",
    f"javascript:{MARK}()",
    f"'><svg/onload={MARK}()>",
    f"</script><script>{MARK}</script>",
    f"</textarea><{MARK}>",
    f"</title></pre></time><{MARK}>",
    f"{{{{ {MARK} }}}}{{% {MARK} %}}",
    f'"><img src=x onerror={MARK}()>',
    f"\u202e{MARK}\u2066\u200b\ufeff",
    f"<!-- {MARK}",
    f"]]><{MARK}/>",
    f"&lt;{MARK}&gt;",
)
INLINE = re.compile(r"^on")


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "script":
            self.scripts.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.lasttag != "textarea":  # what is edited is left as it is
            self.text += data


class EscapeTests(WorkflowTestCase):
    """A corpus of strings everywhere where users' data gets to."""

    def setUp(self) -> None:
        super().setUp()
        self.world = world()
        self.client = browser(person("superuser"))

    def pages(self) -> list[str]:
        return cells_to_see(self.world)

    def poison(self, text: str) -> None:
        """Put a string wherever one can get, past all that would refuse it."""
        w, data = self.world, {text: text, "list": [text], "password": text}
        error = {"type": text, "message": text, "step": text, "attempt": 1, "traceback": text}
        error["details"] = data
        log = json.dumps({"at": "x", "level": "x", "logger": "x", "message": MARK})
        many = {"workflow": text, "kind": text, "queue": text, "branch": text, "tags": data}
        many |= {"input": data, "data": data, "error": error, "cancel_reason": text, "path": text}
        many |= {"subject_type": text, "subject_id": text, "progress": data}
        many |= {"idempotency_key": None}
        Execution.objects.update(**many)
        Execution.objects.filter(pk=w.waiting.pk).update(idempotency_key=text)
        StepRun.objects.filter(pk=w.attempt.pk).update(
            path=text, error=error, logs=text + "\n" + log
        )
        StepRun.objects.update(input=data, output=data)
        votes = {"question": {"type": "approval", "prompt": text}, "answer": data}
        people = {"by_name": text, "comment": text, "assignees": [f"user:{text}"]}
        Wait.objects.update(name=text, **people, **votes)
        Event.objects.update(name=text, key=text, payload=data)
        Schedule.objects.update(
            name=text, workflow=text, cron=text, timezone=text, last_error=text, input=data
        )
        Worker.objects.update(name=text, queues=[text])
        w.waiting.keys.update(key=text)
        token = origin.set(text)
        queues.pause_queue(text, by=None)
        origin.reset(token)

    def read(self, address: str) -> Reader:
        answer = self.client.get(address)
        self.assertEqual(answer.status_code, 200, address)
        return Reader(answer.content.decode())

    def test_no_page_gets_an_element_or_an_attribute_from_data(self) -> None:
        known = {"x": Counter[str]()}
        for address in self.pages():
            known[address] = self.read(address).elements
        allowed = {tag for counter in known.values() for tag in counter} | {"option", "li", "em"}
        half = len(CORPUS) // 2
        for text in map("".join, zip(CORPUS[:half], CORPUS[half:], strict=True)):
            self.poison(text)
            for address in self.pages():
                with self.subTest(text=text, page=address):
                    found = self.read(address)
                    self.assertLessEqual(set(found.elements), allowed)
                    self.assertEqual(len(found.scripts), known[address]["script"])
                    unseen = re.search(".{0,40}[\u202e\u2066\u200b\ufeff]", found.text, re.S)
                    self.assertIsNone(unseen)
                    for tag, name, value in found.attributes:
                        self.assertNotIn(MARK, name)
                        self.assertIsNone(INLINE.match(name), (tag, name))
                        if name in ("href", "src", "action", "formaction"):
                            self.assertFalse(value.strip().lower().startswith("javascript"))
            self.assertIn(MARK, self.read(page("execution_change", self.world.waiting.pk)).text)

    def test_names_and_reasons_come_out_as_they_went_in(self) -> None:
        reason = CORPUS[7]
        address = page("execution_act", self.world.waiting.pk, "cancel")
        answer = self.client.post(address, {"confirmed": "1", "reason": reason}, follow=True)
        self.assertIn(reason, Reader(answer.content.decode()).text)

    def test_what_the_engine_refuses_with_is_escaped_too(self) -> None:
        address = page("queue_act")
        answer = self.client.post(address, {"name": CORPUS[0], "act": "pause"}, follow=True)
        found = Reader(answer.content.decode())
        self.assertIn(CORPUS[0], found.text)
        self.assertNotIn(MARK, "".join(name for _tag, name, _value in found.attributes))

    def test_steps_with_odd_failures_are_shown_as_text(self) -> None:
        class Odd(Workflow):
            @step
            def fail(self, data: Data) -> Data:
                raise Fail(CORPUS[0], type=CORPUS[1], details={CORPUS[2]: CORPUS[3]})

        execution = start(Odd, {CORPUS[0]: 1}, StartOptions(tags={CORPUS[1]: CORPUS[2]}))
        drain()
        send.publish_event(CORPUS[0], {}, key=CORPUS[1], event_id=None, by=None)
        found = self.read(page("execution_change", execution.pk))
        for text in CORPUS[:4]:
            self.assertIn(text, found.text)


class ContentSecurityTests(WorkflowTestCase):
    """Under ``default-src 'self'`` nothing of a page is lost."""

    def test_no_page_has_anything_inline_or_from_elsewhere(self) -> None:
        client = browser(person("superuser"))
        for address in cells_to_see(world()):
            found = Reader(client.get(address).content.decode())
            with self.subTest(page=address):
                self.assertEqual(found.elements["style"], 0)
                for tag, name, value in found.attributes:
                    self.assertNotEqual(name, "style", (tag, value))
                    self.assertIsNone(INLINE.match(name))
                    if name == "src" or (tag, name) == ("link", "href"):
                        self.assertTrue(value.startswith("/"), value)
                self.assertTrue(all(script.get("src") for script in found.scripts))


class TemplateTests(PlainTestCase):
    """What no page happens to show holds as well."""

    def test_no_template_trusts_a_value_or_has_anything_inline(self) -> None:
        folder = Path(durable.__file__).parent / "templates" / "admin" / "durable"
        found: list[Any] = list(folder.rglob("*.html"))
        self.assertGreater(len(found), 15)
        for path in found:
            text = path.read_text()
            for wrong in (
                "|safe",
                "autoescape off",
                " style=",
                "<style",
                " onclick",
                "javascript:",
            ):
                self.assertNotIn(wrong, text, path.name)
            self.assertIsNone(re.search(r"<script(?![^>]*\bsrc=)", text), path.name)
