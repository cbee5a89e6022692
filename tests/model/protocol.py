"""The protocol of one execution as a small machine, and a search through all its interleavings.

Two workers, a sender, a person, somebody who cancels, and time run against one row. The flow has
two steps: the first is atomic and has an effect; the second waits, for an event or for a person.
Every transaction of the engine is one move here. ``explore`` walks every order of the moves and
checks the invariants in each state, between states, and where nothing can move any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

PENDING, RUNNING, WAITING = "pending", "running", "waiting"
COMPLETED, CANCELLED = "completed", "cancelled"
FINAL = (COMPLETED, CANCELLED)
OPEN, ANSWERED, TIMED_OUT, CLOSED = "open", "answered", "timed out", "cancelled"

EFFECT, WAIT, END = 0, 1, 2  # positions


class Bug(Enum):
    """A rule that is left out."""

    NO_FENCE = "a checkpoint does not look at the fence"
    TWO_TRANSACTIONS = "the effect commits before the checkpoint"
    BLIND_PARK = "parking does not look into the inbox"
    PARK_IN_TWO = "the wait is looked for before, and the park is another transaction"
    UNGUARDED_FINISH = "completing does not look at a cancellation"
    TOLD_AT_ONCE = "an answer does not wake, and does not ask for waking"
    NO_SWAP = "an answer overwrites the outcome of a wait"
    EVENT_NOT_CONSUMED = "a wait takes an event and leaves it in the inbox"
    BURY_KEEPS_FENCE = "burying a worker does not raise the fence"


@dataclass(frozen=True)
class Rules:
    """What is played: the kind of wait, whether it times out, how much may go wrong."""

    kind: str = "event"  # or "input"
    timeout: bool = False
    waits: int = 1  # how many in the second step, one after the other
    events: int = 1
    deaths: int = 1
    expiries: int = 2
    cancels: bool = False
    bug: Bug | None = None


class Wait(NamedTuple):
    """The row of a wait."""

    status: str
    by: str = ""  # what resolved it
    told: bool = True


class Hand(NamedTuple):
    """A worker: where it is in its code, and the fence of its claim."""

    at: str = "idle"  # idle, run, effected, park
    fence: int = 0
    position: int = 0
    wait: int = 0  # which wait it is about to park in


class State(NamedTuple):
    """Everything that is in the database, and where everybody is."""

    status: str = PENDING
    fence: int = 0
    holder: int | None = None
    position: int = EFFECT
    cancel: bool = False
    effects: int = 0
    accepted: tuple[int, int] = (0, 0)  # checkpoints per position
    waits: tuple[Wait, ...] = ()
    events: tuple[str, ...] = ()  # pending, kept, or the number of the wait that took it
    takings: int = 0  # how often an event was given to a wait
    due: bool = False  # the deadline of the open wait has passed
    answered: int = 0
    hands: tuple[Hand, Hand] = (Hand(), Hand())
    deaths: int = 0
    expiries: int = 0


Move = tuple[str, State]


class Violation(Exception):
    """An invariant does not hold; the message is the way there."""


# -- the moves -------------------------------------------------------------------------------------


def moves(s: State, rules: Rules) -> Iterator[Move]:
    """Every transaction that can happen next."""
    for worker in (0, 1):
        yield from _worker(s, worker, rules)
    yield from _engine(s, rules)
    yield from _world(s, rules)


def _hand(s: State, worker: int, hand: Hand) -> State:
    hands = (hand, s.hands[1]) if worker == 0 else (s.hands[0], hand)
    return s._replace(hands=hands)


def _is_ours(s: State, hand: Hand, rules: Rules) -> bool:
    """The WHERE of every write of a worker."""
    return s.status == RUNNING and (rules.bug is Bug.NO_FENCE or s.fence == hand.fence)


def _worker(s: State, worker: int, rules: Rules) -> Iterator[Move]:
    hand, name = s.hands[worker], "AB"[worker]
    if hand.at == "idle":
        if s.status == PENDING or (s.status == WAITING and s.due):
            yield f"{name} claims", _claim(s, worker)
        return
    if hand.at == "run" and hand.position == EFFECT and rules.bug is Bug.TWO_TRANSACTIONS:
        done = s._replace(effects=s.effects + 1)
        yield f"{name} commits its effect", _hand(done, worker, hand._replace(at="effected"))
    elif hand.at in ("run", "effected") and hand.position == EFFECT:
        yield f"{name} checkpoints the effect", _checkpoint(s, worker, rules)
    elif hand.at == "run":
        yield f"{name} runs the body", _body(s, worker, rules)
    elif hand.at == "park":
        yield f"{name} parks", _park(s, worker, rules)
    elif hand.at == "looked":
        yield f"{name} parks without another look", _parked(s, worker, hand, rules)
    if s.deaths < rules.deaths:
        yield f"{name} dies", _hand(s._replace(deaths=s.deaths + 1), worker, Hand())


def _claim(s: State, worker: int) -> State:
    waits = s.waits
    if s.status == WAITING:  # by its deadline: the claim gives the wait its outcome
        waits = tuple(
            w._replace(status=TIMED_OUT, by="time") if w.status == OPEN else w for w in waits
        )
    fence = s.fence + 1
    s = s._replace(status=RUNNING, fence=fence, holder=worker, waits=waits, due=False)
    if s.cancel:
        return _finish(s, CANCELLED)
    return _hand(s, worker, Hand("run", fence, s.position))


def _checkpoint(s: State, worker: int, rules: Rules) -> State:
    """The result of the step at ``hand.position``, its effect, and the next position."""
    hand = s.hands[worker]
    if not _is_ours(s, hand, rules):
        return _hand(s, worker, Hand())  # lost: everything is rolled back
    accepted = list(s.accepted)
    accepted[hand.position] += 1
    effects = s.effects + (hand.at == "run" and hand.position == EFFECT)
    s = s._replace(position=hand.position + 1, accepted=tuple(accepted), effects=effects)  # type: ignore[arg-type]
    if s.cancel and rules.bug is not Bug.UNGUARDED_FINISH:
        return _hand(_finish(s, CANCELLED), worker, Hand())
    if s.position == END:
        return _hand(_finish(s, COMPLETED), worker, Hand())
    return _hand(s, worker, hand._replace(at="run", position=s.position))


def _body(s: State, worker: int, rules: Rules) -> State:
    """The second step looks at its recorded answers, one after the other."""
    hand = s.hands[worker]
    for number in range(rules.waits):
        if number >= len(s.waits) or s.waits[number].status == OPEN:
            return _hand(s, worker, hand._replace(at="park", wait=number))
    return _checkpoint(s, worker, rules)


def _park(s: State, worker: int, rules: Rules) -> State:
    """Under the root's lock: open the wait, look into the inbox, release the claim."""
    hand = s.hands[worker]
    if not _is_ours(s, hand, rules):
        return _hand(s, worker, Hand())
    if rules.kind == "event" and rules.bug is not Bug.BLIND_PARK:
        for at, event in enumerate(s.events):
            if event in ("pending", "kept"):
                opened = _open(s, hand)
                return _hand(_give(opened, at, hand.wait, rules), worker, hand._replace(at="run"))
    if rules.bug is Bug.PARK_IN_TWO:
        return _hand(s, worker, hand._replace(at="looked"))
    return _parked(s, worker, hand, rules)


def _parked(s: State, worker: int, hand: Hand, rules: Rules) -> State:
    if not _is_ours(s, hand, rules):
        return _hand(s, worker, Hand())
    s = _open(s, hand)
    if s.cancel:
        return _hand(_finish(s, CANCELLED), worker, Hand())
    return _hand(s._replace(status=WAITING, holder=None), worker, Hand())


def _open(s: State, hand: Hand) -> State:
    if hand.wait < len(s.waits):
        return s
    return s._replace(waits=(*s.waits, Wait(OPEN)))


def _give(s: State, event: int, wait: int, rules: Rules) -> State:
    waits, events = list(s.waits), list(s.events)
    waits[wait] = Wait(ANSWERED, f"event {event}")
    if rules.bug is not Bug.EVENT_NOT_CONSUMED:
        events[event] = str(wait)
    return s._replace(waits=tuple(waits), events=tuple(events), takings=s.takings + 1)


def _finish(s: State, status: str) -> State:
    waits = tuple(w._replace(status=CLOSED) if w.status == OPEN else w for w in s.waits)
    waits = tuple(w._replace(told=True) for w in waits)
    return s._replace(status=status, holder=None, waits=waits, due=False)


def _engine(s: State, rules: Rules) -> Iterator[Move]:
    """Due work that any worker may do."""
    if s.status == RUNNING and s.holder is not None:
        if s.hands[s.holder].fence != s.fence:  # it died, so its lease does run out
            yield "a dead worker is buried", _bury(s, rules)
        elif s.expiries < rules.expiries:
            yield "the lease runs out", _bury(s._replace(expiries=s.expiries + 1), rules)
    if s.status not in FINAL and "pending" in s.events:
        yield "the inbox is emptied", _deliver(s, rules)
    if any(not w.told for w in s.waits):
        told = s._replace(waits=tuple(w._replace(told=True) for w in s.waits))
        yield "the answer is told", _wake(told)


def _bury(s: State, rules: Rules) -> State:
    fence = s.fence if rules.bug is Bug.BURY_KEEPS_FENCE else s.fence + 1
    return s._replace(status=PENDING, fence=fence, holder=None)


def _deliver(s: State, rules: Rules) -> State:
    for at, event in enumerate(s.events):
        opened = [i for i, w in enumerate(s.waits) if w.status == OPEN]
        if event == "pending" and opened:
            s = _wake(_give(s, at, opened[0], rules))
    return s._replace(events=tuple("kept" if e == "pending" else e for e in s.events))


def _wake(s: State) -> State:
    return s._replace(status=PENDING, due=False) if s.status == WAITING else s


def _world(s: State, rules: Rules) -> Iterator[Move]:
    """Senders, people, operators and time."""
    if rules.kind == "event" and len(s.events) < rules.events and s.status not in FINAL:
        yield "an event is sent", s._replace(events=(*s.events, "pending"))
    if rules.timeout and not s.due and s.status == WAITING:
        yield "the deadline passes", s._replace(due=True)
    if rules.kind == "input" and s.answered < 2:
        for at, wait in enumerate(s.waits):
            if wait.status == OPEN or (rules.bug is Bug.NO_SWAP and s.status not in FINAL):
                told = rules.bug is Bug.TOLD_AT_ONCE
                waits = list(s.waits)
                waits[at] = Wait(ANSWERED, f"person {s.answered}", told)
                yield "a person answers", s._replace(waits=tuple(waits), answered=s.answered + 1)
    if rules.cancels and not s.cancel and s.status not in FINAL:
        asked = s._replace(cancel=True)
        yield "it is cancelled", asked if s.status == RUNNING else _finish(asked, CANCELLED)


#: Moves that nobody has to make: what quiet means is that none but these is left.
OPTIONAL = ("an event is sent", "it is cancelled", "a person answers", "the lease runs out", "dies")


# -- the search --------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What the search came across, so that it can be said that it was not empty."""

    states: int
    quiet: int
    finals: int
    lost_claims: int


def explore(rules: Rules) -> Seen:
    """Walk all interleavings breadth first; ``Violation`` with the shortest way to the first."""
    first = State()
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    todo = deque([first])
    quiet = finals = lost = 0
    while todo:
        state = todo.popleft()
        onward = list(moves(state, rules))
        problem = broken_in(state)
        if not any(not label.endswith(OPTIONAL) for label, _ in onward):
            quiet += 1
            problem = problem or broken_at_rest(state)
        finals += state.status in FINAL
        if problem:
            raise Violation(f"{problem}:\n  " + "\n  ".join(_way(state, came_from)))
        for label, after in onward:
            lost += any(
                b.at != "idle" and a.at == "idle" and "dies" not in label and state.fence != b.fence
                for b, a in zip(state.hands, after.hands, strict=True)
            )
            if after not in came_from:
                came_from[after] = (state, label)
                todo.append(after)
            if problem := broken_between(state, after):
                way = [*_way(state, came_from), label]
                raise Violation(f"{problem}:\n  " + "\n  ".join(way))
    return Seen(len(came_from), quiet, finals, lost)


def _way(state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
    way = []
    while (step := came_from[state]) is not None:
        state, label = step
        way.append(label)
    return way[::-1]


# -- the invariants (numbers of engine.md) ---------------------------------------------------------


def broken_in(s: State) -> str:
    """What must hold in every state."""
    if s.effects > 1 or s.effects < s.accepted[EFFECT]:
        return f"3: {s.effects} effects of one atomic step"
    if max(s.accepted) > 1:
        return "2: two accepted checkpoints of one visit"
    if s.accepted[WAIT] and not s.accepted[EFFECT]:
        return "6: a gap in the history"
    if s.takings > len([e for e in s.events if e.isdigit()]):
        return "8: an event was given to a wait and is still there for another"
    if len({w.by for w in s.waits if w.by.startswith("event")}) < s.takings:
        return "8: an event was taken twice"
    if any(bool(w.by) != (w.status in (ANSWERED, TIMED_OUT)) for w in s.waits):
        return "8: a wait does not say by what it was resolved"
    if (s.status == RUNNING) != (s.holder is not None):
        return "16: held without running, or the reverse"
    if s.status in FINAL and any(w.status == OPEN or not w.told for w in s.waits):
        return "16: an open wait of a finished execution"
    if s.status == COMPLETED and s.cancel:
        return "6 of the defects: completed although it was cancelled"
    return ""


def broken_between(before: State, after: State) -> str:
    """What must hold of every move."""
    if after.fence < before.fence:
        return "4: the fence went down"
    if before.status in FINAL and before[:8] != after[:8]:
        return "5: a finished execution was written"
    for old, new in zip(before.waits, after.waits, strict=False):
        if old.status != OPEN and (old.status, old.by) != (new.status, new.by):
            return "8: a wait was resolved twice"
    if before.expiries < after.expiries and after.fence == before.fence:
        return "4: a claim was taken away without raising the fence"
    return ""


def broken_at_rest(s: State) -> str:
    """What must hold when all that is due is done."""
    if s.status in FINAL:
        return ""
    if s.status != WAITING or not any(w.status == OPEN for w in s.waits):
        return f"1: nothing will ever move this {s.status} execution"
    if any(e in ("pending", "kept") for e in s.events):
        return "1: an event is there, and the wait for it sleeps"
    return ""
