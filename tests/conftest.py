"""What pytest needs to know of the suite: the database in its header, tests about one vendor."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings

VENDORS = {"sqlite3": "sqlite", "postgresql": "postgresql"}

#: What takes long and tells little more on a second version of Python: many processes, browsers,
#: thousands of requests. ``-m "not long"`` leaves it out.
LONG = (
    "tests/browser/",
    "tests/client/test_fuzz.py",
    "tests/client/test_refusals.py",
    "tests/parts/test_depth.py",
    "tests/concurrency/test_interleavings.py",
    "tests/concurrency/test_messages.py",
    "tests/crash/",
    "tests/doors/admin/test_escapes.py",
    "tests/doors/rest/test_malformed.py",
    "tests/doors/rest/test_openapi.py",
    "tests/drawing/test_run_overlay.py::AnyFlowTests",
    "tests/life/test_backoff.py::BackoffTests::test_jitter",
    "tests/doors/test_two_databases.py",
    "tests/example/test_demo.py",
    "tests/model/test_random",
    "tests/operators/test_retention.py::RetentionTests::test_thousands",
    "tests/calendar/test_several_workers.py",
    "tests/pages/test_pages.py",
    "tests/soak/",
    "tests/test_fixtures.py",
    "tests/test_quickstart.py",
)

#: Tests that have a database of their own, or look at pages whose statements other tests try on
#: both: they run beside one database only.
ONCE = {
    "tests/browser/": "postgresql",
    "tests/doors/admin/test_escapes.py": "sqlite",
    "tests/doors/rest/test_openapi.py": "sqlite",
    "tests/example/": "sqlite",
    "tests/test_readme.py": "sqlite",
}

hypothesis.settings.register_profile("suite", deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


def vendor() -> str:
    """The kind of database that this run is on."""
    return VENDORS[settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]]


def pytest_sessionstart() -> None:
    """Empty tables the quick way, and forget the schedule of the example.

    It would fire in each test that moves the clock far enough. Its own tests bring it back
    (``tests.example.cases``).
    """
    from durable.authoring.parse import registry
    from example_project.shop.workflows import DailySalesReport
    from tests import emptying

    emptying.install()
    del registry._classes[DailySalesReport.definition.name, DailySalesReport.definition.version]


@pytest.fixture(autouse=True)
def _own_workflows() -> Iterator[None]:
    """What a test defines, the next one knows nothing of."""
    from durable.testing import isolate_workflows

    with isolate_workflows():
        yield


def pytest_report_header() -> str:
    """Say which database the run is about."""
    database = settings.DATABASES["default"]
    return f"database: {vendor()}, {database['TEST']['NAME']}"


def _only_on(item: pytest.Item) -> str | None:
    """The database on which a test runs, if not on both; a test that asks for none runs once."""
    marker = item.get_closest_marker("only_on")
    if marker is None:
        asked = getattr(getattr(item, "cls", None), "databases", None)
        elsewhere = next((one for path, one in ONCE.items() if item.nodeid.startswith(path)), None)
        return elsewhere if asked else elsewhere or "sqlite"
    (wanted,) = marker.args
    if wanted not in VENDORS.values():
        raise pytest.UsageError(f"{item.nodeid}: only_on({wanted!r}) names no vendor")
    return str(wanted)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, visibly as deselected, tests of the other database only; put the long ones first.

    pytest-django keeps this order among the tests in a transaction, which it puts first, and
    among all others: workers that steal from each other end with short tests, together.
    """
    elsewhere = []
    for item in items:
        if item.nodeid.startswith(LONG):
            item.add_marker("long")
        if _only_on(item) not in (None, vendor()):
            elsewhere.append(item)
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
