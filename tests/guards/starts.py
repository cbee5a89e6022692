"""The guards of starts: one statement, the first with its key, and no start that goes unheard."""

from __future__ import annotations

from tests.guards.mutation import Mutation, mutation

_ONCE = "tests/life/test_idempotency.py::"
_START = "tests/life/test_start.py::StartTests::test_"
_NOTICES = "tests/worker/test_notices_of_starts.py::"
_SERVER = "tests/client/test_prepared.py::ServerTests::test_"
_FIRST = "tests/worker/test_first_start.py::FirstStartTests::test_"

STARTS: tuple[Mutation, ...] = (
    mutation(
        0,
        "a start whose key is known inserts nothing, and breaks no transaction",
        "rows:insert",
        "once = row.idempotency_key is not None",
        "once = False",
        _ONCE + "StartTests::test_starting_again_returns_the_first_execution",
    ),
    mutation(
        0,
        "a refused start leaves the caller's transaction usable",
        "start:start",
        "unique=once is not None",
        "unique=False",
        _ONCE + "StartTests::test_a_conflict_in_a_transaction_leaves_it_usable",
    ),
    mutation(
        0,
        "who asks again gets the first, whatever the key would be by now",
        "start:start",
        "        if known is None:\n            raise\n        return known\n",
        "        raise\n",
        _ONCE + "StartTests::"
        "test_whoever_asks_again_gets_the_first_whatever_its_key_would_be_by_now",
    ),
    mutation(
        0,
        "a start whose rival was removed meanwhile is tried again",
        "start:_first",
        "        raise stale()\n",
        "        raise DurableError(key)\n",
        _ONCE + "RaceTests::test_one_whose_rival_was_removed_meanwhile_is_tried_again",
    ),
    mutation(
        0,
        "no statement carries more data than a server takes",
        "rows:_portions",
        " or size >= CHARACTERS",
        "",
        _START + "much_data_goes_in_portions",
    ),
    mutation(
        0,
        "behind a pooler nothing is prepared: the next transaction may have another server",
        "prepared:execute",
        "found[0][-1] == raw.info.backend_pid",
        "True",
        _SERVER + "none_behind_a_pooler",
    ),
    mutation(
        0,
        "a plan that the server has forgotten is missed once, not for ever",
        "prepared:execute",
        "        raw._durable_keeps_plans = False\n",
        "",
        _SERVER + "none_after_one_was_forgotten",
    ),
    mutation(
        0,
        "a worker is up when senders know that it listens, not before",
        "worker:WorkerProcess._work",
        "self._heartbeat.notified or time.monotonic() >= longest",
        "True",
        _FIRST + "senders_know_then_that_it_listens",
    ),
    mutation(
        0,
        "a worker that hears nothing is up, too",
        "worker:WorkerProcess._work",
        "self._heartbeat.notified or time.monotonic() >= longest",
        "self._heartbeat.notified",
        _FIRST + "one_that_hears_nothing_is_up_soon_and_works",
    ),
    mutation(
        0,
        "a start takes nothing from the start before: tags, for one",
        "rows:unsaved",
        '_defaults() | {"tags": {}} | own',
        "_defaults() | own",
        _START + "an_unsaved_row_has_its_defaults_to_itself",
    ),
    mutation(
        0,
        "a silent start that commits too late notifies after all",
        "notify:Hint.given",
        "if self._silent and not _row.covered():",
        "if False:",
        _NOTICES + "LateTests::test_notifies_after_all",
    ),
    mutation(
        0,
        "a look follows when all is over that a notification stands for",
        "listener:Pace.is_due",
        "now + AGAIN if self._more else inf",
        "inf",
        _NOTICES + "PaceTests::test_after_more_it_looks_again_when_all_that_it_stands_for_is_over",
        _NOTICES + "PaceTests::test_each_more_is_followed_by_such_a_look",
    ),
    mutation(
        0,
        "a loop of starts keeps no other notification waiting",
        "listener:Pace.hear",
        "        self._due = min(self._due, soon)\n",
        "        self._due = soon if self._due == inf else self._due\n",
        _NOTICES + "PaceTests::test_a_plain_one_is_not_kept_waiting_by_a_loop",
    ),
)
