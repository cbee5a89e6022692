"""A trip whose charge is declined, and whose worker is killed in the middle of the rollback."""

from __future__ import annotations

import durable
from durable.models import Execution
from example_project.demo.screen import State
from example_project.demo.stories.story import Ending, Evidence, Story
from example_project.shop.models import Booking, Charge, Refund
from example_project.shop.workflows import BookTrip

NAME = "trip to Oslo"
FLIGHT, HOTEL = "LH 860", "Grand Hotel"


class TripStory(Story):
    """``BookTrip``: a flight, a hotel, a charge that fails, and the way back."""

    kill: Evidence | None = None

    def start(self) -> None:
        """The card will be declined; the airline cancels, but its answer does not come."""
        self.outages.begin(f"airline cancel {FLIGHT}")
        trip = {"trip_id": "T-1", "flight": FLIGHT, "hotel": HOTEL, "card": "tok_declined"}
        execution = durable.start(BookTrip, trip)
        self.add(NAME, execution, Ending("compensated", "error.type", "CardDeclined"))

    def state(self, row: Execution) -> State:
        """While it rolls back: what is undone already."""
        if row.status != "compensating":
            return super().state(row)
        undone = (
            ", ".join(run.name for run in row.compensations.filter(status="completed"))
            or "nothing yet"
        )
        return State(f"{row.status:<12} undone: {undone}")

    def is_in_the_middle(self) -> bool:
        """Whether the hotel is cancelled, and so is the flight, but the answer has not come."""
        return self._refunds() == [(HOTEL, 1), (FLIGHT, 1)] and self._undone() == ["book_hotel"]

    def note_kill(self) -> str:
        """Keep what is on record right after the kill; say what it has hit."""
        self.kill = Evidence.of(self.executions[NAME]) if self.is_in_the_middle() else None
        return (
            "in the middle of a rollback: the hotel is cancelled and so is the flight, but the "
            "airline's answer has not come"
        )

    def what_became_of_it(self) -> tuple[str, ...]:
        """For the table: where it was hit, what stayed done, what ran again."""
        refunds = [(what, asked) for what, asked in self._refunds() if what == FLIGHT]
        asked = sum(asked for _, asked in refunds)
        return (
            "cancel_flight, rolling back the trip",
            "cancel_hotel",
            f"cancel_flight: {asked} requests, one key, {len(refunds)} refund",
        )

    def promises(self) -> dict[str, bool]:
        """Each compensation took effect exactly once, newest first."""
        row = self.row(NAME)
        return {
            "kill 3 hit the rollback: cancel_hotel was done, cancel_flight was in the middle": (
                self.kill is not None and self.kill.in_flight == {row.pk}
            ),
            "cancel_hotel did not run again; cancel_flight did, with the same idempotency key": (
                self.kill is not None
                and self.kill.stands(row.pk)
                and self._refunds() == [(HOTEL, 1), (FLIGHT, 2)]
            ),
            "both compensations are on record once, newest first; what was booked is refunded": (
                self._undone() == ["book_hotel", "book_flight"]
                and row.compensations.count() == 2
                and all(booking.refunds.count() == 1 for booking in Booking.objects.all())
            ),
            "the card that was declined is not charged": (
                list(Charge.objects.filter(order_reference="T-1").values_list("taken"))
                == [(False,)]
            ),
        }

    def _refunds(self) -> list[tuple[str, int]]:
        """What was refunded, in order, and how often that was asked for."""
        refunds = Refund.objects.select_related("booking").order_by("pk")
        return [(refund.booking.what, refund.requests) for refund in refunds]

    def _undone(self) -> list[str]:
        """The steps that are undone, in order."""
        done = self.row(NAME).compensations.filter(status="completed")
        return [run.name for run in done.order_by("ended_at", "pk")]
