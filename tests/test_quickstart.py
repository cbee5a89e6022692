"""README's "Use it in your project", followed to the letter in an empty directory."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from unittest import TestCase

import pytest

from tests.pages.shell import PATIENCE, shell
from tests.typing.readme import FENCE, README

TITLE = "## Use it in your project\n"


def samples() -> list[str]:
    """What is typed in a shell, block by block."""
    text = README.read_text(encoding="utf-8").split(TITLE)[1].split("\n## ")[0]
    return [found[2] for found in FENCE.finditer(text) if found[1] == "sh"]


class Browser:
    """As much of a browser as forms need."""

    def __init__(self, address: str) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.url = self.page = ""

    def open(self, path: str, form: dict[str, str] | None = None) -> str:
        """Go to a page, or send it a form."""
        url = urllib.parse.urljoin(self.url or self.address, path)
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        with self._opener.open(
            urllib.request.Request(url, data, {"Referer": url}), timeout=PATIENCE
        ) as answer:
            self.url, self.page = answer.url, answer.read().decode()
        return self.page

    def fields(self) -> dict[str, str]:
        """What the forms of the page send along by themselves."""
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', self.page)
        return dict(hidden)


@pytest.mark.only_on("sqlite")  # the project that is made has a database of its own
class QuickstartTests(TestCase):
    """From nothing to an approval in the admin and a payment by webhook."""

    def until(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"in vain until {what}")
            time.sleep(0.1)  # noqa: TID251 - other processes are at work

    def test_a_newcomer_has_an_approval_answered_and_a_payment_delivered(self) -> None:
        install, files, begin, pay, look = samples()
        install = "\n".join(
            line for line in install.splitlines() if "manage.py" in line or "startproject" in line
        )
        with shell() as sh:
            for block in (install, files, begin):
                sh.type(block)
            browser = Browser(f"http://127.0.0.1:{sh.port}")
            inputs = "/admin/durable/input/"
            self.assertIn(inputs, README.read_text(encoding="utf-8"))

            def there() -> bool:
                with contextlib.suppress(OSError):
                    browser.open(inputs)
                return bool(browser.page)

            self.until(there, "the server answers")
            login = {**browser.fields(), "username": "ada", "password": "secret"}
            self.assertIn("/admin/login/", browser.url)
            browser.open(browser.url, login)
            self.until(lambda: "Buy for $120?" in browser.open(inputs), "the question is asked")
            link = re.search(r'href="([^"]*)"[^>]*>\s*Approve\b', browser.page)
            assert link is not None, browser.page
            browser.open(link[1].replace("&amp;", "&"))
            button = re.search(
                r'<button[^>]*name="([^"]+)"[^>]*value="(approved)"', browser.page
            ) or re.search(
                r'<input[^>]*type="radio"[^>]*name="([^"]+)"[^>]*value="(approved)"', browser.page
            )
            chosen = {button[1]: button[2]} if button else {}
            browser.open(browser.url, {**browser.fields(), **chosen, "comment": "ok"})

            def status() -> str:
                sh.type("python manage.py durable_list --json")
                (found,) = json.loads(sh.said)["executions"]
                return f"{found['status']} {found.get('path') or found.get('step')}"

            self.until(lambda: "await_payment" in status(), "the purchase waits to be paid")
            sh.type(pay)
            self.assertIn("202 Accepted", sh.said)
            self.until(lambda: status().startswith("completed"), "the purchase is paid")
            sh.type(look)
            self.assertIn("purchase", sh.said)
            self.assertIn("completed", sh.said)
