"""The settings of the suite, with durable in the database ``jobs`` and the users in ``default``."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, RUN

_users = DATABASES["default"]


def _named(name: str) -> dict[str, object]:
    test = str(_users["TEST"]["NAME"]).replace(RUN, f"{RUN}_{name}")
    return {**_users, "TEST": {"NAME": test}}


DATABASES = {"default": _named("users"), "jobs": _named("jobs")}
DATABASE_ROUTERS = ["durable.routers.DurableRouter"]
DURABLE = {"DATABASE": "jobs", "PUBLIC_URL": "http://testserver"}
