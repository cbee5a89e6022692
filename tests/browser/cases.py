"""A real browser (Debian's chromium) on a live server, and what tests do with it."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test import override_settings
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser import axe

PATIENCE = 20.0  # seconds for a page to become what it should
WIDE, PHONE = (1280, 900), (390, 844)
SHOTS = Path(__file__).resolve().parent.parent.parent / ".cache" / "screenshots"
SERIOUS = ("serious", "critical")
COLOURS = ("color-contrast", "link-in-text-block")  # the rules about them
REPLACED = (StaleElementReferenceException,)  # a live page has exchanged its parts meanwhile
MISSING = "the browser tests need chromium and its driver: apt-get install chromium chromium-driver"

#: what acts, in the part of the page that is ours
POSTING = """
return [...document.querySelectorAll(
  '#content button, #content input[type=submit], #content a.button, #content a.durable-button'
)].filter(one => !one.form || one.form.method !== 'get').map(one => one.value || one.textContent)
"""

OPEN_ALL = "document.querySelectorAll('#content details, main details').forEach(d => d.open = true)"

#: what reaches beyond the right edge, unless it is in a box that scrolls
TOO_WIDE = """
const page = document.documentElement;
if (page.scrollWidth <= page.clientWidth) return [];
return [...document.body.querySelectorAll('*')]
  .filter(one => one.getBoundingClientRect().right > page.clientWidth + 1)
  .map(one => one.outerHTML.slice(0, 120)).slice(0, 5).concat([page.scrollWidth]);
"""

HURRY = """
const setTimer = window.setTimeout.bind(window);
window.rung = 0;
window.setTimeout = (call, time) => setTimer(() => { window.rung += 1; call(); }, time / 50);
"""

#: colours that fade into others are looked at when they have arrived
SETTLE = """
for (let fading = [0]; fading.length; fading.forEach(one => one.finish && one.finish())) {
  fading = document.getAnimations().filter(
    one => one.playState === 'running' && one.effect.getComputedTiming().iterations !== Infinity);
}
"""

#: What the admin itself draws in a list and above a page is its own affair: there, links are told
#: from the text around them by their colour only, and the search has a picture for a label.
STOCK = [[".breadcrumbs"], ["#changelist-search"]]

AXE = """
const [options, stock, done] = arguments;
axe.run({exclude: stock}, options).then(done, error => done({error: String(error)}));
"""

MIDDLEWARE = [*settings.MIDDLEWARE, "tests.browser.csp.StrictPolicy"]


@override_settings(MIDDLEWARE=MIDDLEWARE)
class BrowserTestCase(StaticLiveServerTestCase):
    """One browser for the class; each test begins logged out, wide and light."""

    driver: ClassVar[Chrome]

    @classmethod
    def setUpClass(cls) -> None:
        browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if browser is None or driver is None:
            raise AssertionError(MISSING)
        super().setUpClass()
        options = ChromeOptions()
        options.binary_location = browser
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(argument)
        options.add_argument("--disable-dev-shm-usage")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})  # type: ignore[no-untyped-call]
        cls.driver = Chrome(options=options, service=ChromeService(driver))
        cls.addClassCleanup(cls.driver.quit)

    def setUp(self) -> None:
        super().setUp()
        self.driver.delete_all_cookies()
        self.look()
        self.complaints()

    # -- going about ------------------------------------------------------------------------------

    def log_in(self, user: User, password: str = "secret") -> None:
        """Through the login page of the admin, as a person does."""
        user.set_password(password)
        user.save()
        self.open("/admin/login/?next=/admin/")
        self.fill("username", user.get_username())
        self.fill("password", password)
        self.press("Log in")

    def log_in_as(self, user: User) -> None:
        """At once, by the session's cookie."""
        self.client.force_login(user)
        self.open("/static/admin/img/icon-yes.svg")  # a cookie needs a page of its host
        value = self.client.cookies[settings.SESSION_COOKIE_NAME].value
        self.driver.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": value, "path": "/"})

    def open(self, path: str) -> None:
        """Go to a page."""
        self.driver.get(f"{self.live_server_url}{path}")

    def look(self, *, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
        """How wide the window is, and what the visitor prefers."""
        self.driver.set_window_size(*size)
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, calm]})
        self.driver.execute_script(SETTLE)

    def hurry(self) -> None:
        """In the pages that are opened from now on, what waits for two seconds waits for 40 ms."""
        command = "Page.addScriptToEvaluateOnNewDocument"
        made = self.driver.execute_cdp_cmd(command, {"source": HURRY})
        self.addCleanup(
            self.driver.execute_cdp_cmd, "Page.removeScriptToEvaluateOnNewDocument", made
        )

    def rung(self) -> int:
        """How often a timer of the page has rung."""
        return int(self.driver.execute_script("return window.rung"))

    def offline(self) -> None:
        """Nothing gets to the server any more."""
        self._network(offline=True)

    def online(self) -> None:
        """It does again."""
        self._network(offline=False)

    def _network(self, *, offline: bool) -> None:
        speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": offline, **speed}
        )

    # -- what is on the page ----------------------------------------------------------------------

    def find(self, selector: str) -> WebElement:
        """The first element that fits, once it is there."""
        return self.until(lambda: self.all(selector))[0]

    def all(self, selector: str) -> list[WebElement]:
        """The elements that fit now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    @property
    def text(self) -> str:
        """All that can be read."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def sees(self, *words: str) -> None:
        """Wait until these words can be read, in whatever case the style shows them."""
        known = [word.casefold() for word in words]
        self.until(lambda: all(word in self.text.casefold() for word in known), f"{words}")

    def buttons(self) -> list[str]:
        """What can be pressed, by its words."""
        found = self.all("button, input[type=submit]")
        names = [each.get_attribute("value") or each.text for each in found if each.is_displayed()]
        return [name for name in names if name]

    def posting(self) -> list[str]:
        """What can be pressed or followed to change something; a search changes nothing."""
        return [str(words) for words in self.driver.execute_script(POSTING)]

    def fill(self, name: str, value: str) -> None:
        """Type into a field."""
        field = self.find(f"[name='{name}']")
        field.clear()
        field.send_keys(value)

    def press(self, words: str) -> None:
        """Press the button, or follow the link, that says this; wait for the next page."""
        path = (
            f"//button[normalize-space()='{words}'] | //input[@type='submit'][@value='{words}'] "
            f"| //a[normalize-space()='{words}']"
        )
        found = self.until(lambda: self.driver.find_elements(By.XPATH, path), f"to press: {words}")
        page = self.driver.find_element(By.TAG_NAME, "html")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found[0])
        found[0].click()
        self.until(lambda: _is_gone(page), f"after pressing {words}")

    def tick(self, *selectors: str) -> None:
        """Click the boxes, or whatever fits."""
        for selector in selectors:
            self.until(
                lambda found=selector: self.find(found).click() is None, f"to click {selector}"
            )

    def choose(self, name: str, value: str) -> None:
        """Take this of a list."""
        self.find(f"select[name='{name}'] option[value='{value}']").click()

    def run_action(self, value: str) -> None:
        """Use an action of a list on the rows that are ticked."""
        self.choose("action", value)
        page = self.driver.find_element(By.TAG_NAME, "html")
        self.find(".actions button[name='index']").click()
        self.until(lambda: _is_gone(page), f"after the action {value}")

    def until(self, true: Any, what: str = "") -> Any:
        """Wait until it is so; the value."""
        patience = WebDriverWait(self.driver, PATIENCE, 0.05, REPLACED)
        return patience.until(lambda _: true(), what)

    # -- whether it is as it should be ------------------------------------------------------------

    def complaints(self, refused: int | None = None) -> list[str]:
        """What the browser has written into its console since the last look.

        It also writes there that a page came with an error's status; ``refused`` is the one that
        is meant to.
        """
        messages = [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        expected = f"responded with a status of {refused} "
        return [text for text in messages if "/favicon.ico" not in text and expected not in text]

    def is_accessible(self) -> None:
        """axe-core finds nothing serious."""
        found = self.violations()
        if found:
            self.fail("\n".join(found))

    def is_presentable(self, name: str, *, refused: int | None = None) -> None:
        """The page that is open: on a desk and on a phone, by day and by night.

        Axe looks for everything by day, and by night for what the colours decide.
        """
        found = []
        for kind, size in (("wide", WIDE), ("phone", PHONE)):
            for theme, rules in (("light", ()), ("dark", COLOURS)):
                self.look(size=size, dark=theme == "dark")
                self.driver.execute_script(OPEN_ALL)
                self.shoot(f"{name}-{kind}-{theme}")
                problems = [*self.violations(*rules), *self.too_wide()]
                found += [f"{name}, {kind}, {theme}: {problem}" for problem in problems]
        self.look()
        found += [f"{name}: {complaint}" for complaint in self.complaints(refused)]
        if found:
            self.fail("\n".join(found))

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds serious, by its rules or some of them."""
        if not self.driver.execute_script("return 'axe' in window"):
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe.source()})
        options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
        if rules:
            options["runOnly"] = list(rules)
        found = self.driver.execute_async_script(AXE, options, STOCK)
        self.assertNotIn("error", found)
        return [
            f"{one['id']}: {node['html'][:600]}: {node['failureSummary'][:400]}"
            for one in found["violations"]
            if one["impact"] in SERIOUS
            for node in one["nodes"][:3]
        ]

    def too_wide(self) -> list[str]:
        """What makes the page wider than the window."""
        return [f"too wide: {element}" for element in self.driver.execute_script(TOO_WIDE)]

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page, to be looked at (only with DURABLE_SCREENSHOTS)."""
        if os.environ.get("DURABLE_SCREENSHOTS"):
            SHOTS.mkdir(parents=True, exist_ok=True)
            command = {"format": "png", "captureBeyondViewport": True}
            taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", command)
            (SHOTS / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


def _is_gone(page: WebElement) -> bool:
    try:
        page.is_enabled()
    except Exception:
        return True
    return False
