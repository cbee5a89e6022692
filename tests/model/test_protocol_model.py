"""The protocol holds in every interleaving, and without any one of its rules it does not."""

from __future__ import annotations

from unittest import TestCase

from tests.model.protocol import Bug, Rules, Violation, explore

#: What is played with the real rules; every game is walked to its end.
GAMES = {
    "event": Rules(),
    "event, cancelled": Rules(cancels=True),
    "event against timeout": Rules(timeout=True, cancels=True, expiries=1),
    "two waits for two events": Rules(waits=2, events=2, expiries=1),
    "answer": Rules(kind="input"),
    "answer against timeout and cancel": Rules(kind="input", timeout=True, cancels=True),
}

#: The game in which a missing rule shows, and how.
PLANTED = {
    Bug.NO_FENCE: (Rules(), "3: 2 effects"),
    Bug.TWO_TRANSACTIONS: (Rules(), "3: 2 effects"),
    Bug.BLIND_PARK: (Rules(), "1: an event is there"),
    Bug.PARK_IN_TWO: (Rules(), "1: an event is there"),
    Bug.UNGUARDED_FINISH: (Rules(cancels=True), "completed although it was cancelled"),
    Bug.TOLD_AT_ONCE: (Rules(kind="input"), "1: nothing will ever move"),
    Bug.NO_SWAP: (Rules(kind="input", timeout=True), "8: a wait was resolved twice"),
    Bug.EVENT_NOT_CONSUMED: (Rules(waits=2), "8: an event was given"),
    Bug.BURY_KEEPS_FENCE: (Rules(), "4: a claim was taken away"),
}


class ProtocolModelTests(TestCase):
    """Every order of every transaction of two workers, a sender, a person and time."""

    def test_the_rules_hold_in_every_interleaving(self) -> None:
        for name, rules in GAMES.items():
            with self.subTest(game=name):
                seen = explore(rules)
                self.assertGreater(seen.states, 300)
                self.assertGreater(seen.quiet, 3)
                self.assertGreater(seen.finals, 3)
                self.assertGreater(seen.lost_claims, 10)

    def test_every_rule_that_is_left_out_is_found(self) -> None:
        self.assertEqual(set(PLANTED), set(Bug))
        for bug, (rules, expected) in PLANTED.items():
            with self.subTest(bug=bug.value):
                with self.assertRaises(Violation) as caught:
                    explore(Rules(**{**vars(rules), "bug": bug}))
                self.assertIn(expected, str(caught.exception))
