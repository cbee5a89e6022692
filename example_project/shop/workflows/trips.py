"""A trip: a flight, a hotel, a charge; if the charge does not work out, all is undone."""

from __future__ import annotations

from durable import Data, Workflow, assign, step
from example_project.shop import services
from example_project.shop.models import Booking


class BookTrip(Workflow):
    """What can't be rolled back, as it is in another company's books, is compensated.

    The compensations of completed steps run newest first, each with the data as it was when its
    step completed. A compensation, too, may run again after a crash, so it has a key as well.
    """

    @step(atomic=False)
    def book_flight(self, data: Data) -> Data:
        booking = services.book("airline", data["flight"], idempotency_key=self.idempotency_key)
        return assign(data, flight=_booked(booking))

    @book_flight.compensate(retry=5)
    def cancel_flight(self, data: Data) -> None:
        services.cancel_booking(data["flight"]["id"], idempotency_key=self.idempotency_key)

    @step(atomic=False)
    def book_hotel(self, data: Data) -> Data:
        booking = services.book("hotel", data["hotel"], idempotency_key=self.idempotency_key)
        return assign(data, hotel=_booked(booking))

    @book_hotel.compensate(retry=5)
    def cancel_hotel(self, data: Data) -> None:
        services.cancel_booking(data["hotel"]["id"], idempotency_key=self.idempotency_key)

    @step(atomic=False)
    def charge(self, data: Data) -> Data:
        total = data["flight"]["price"] + data["hotel"]["price"]
        services.charge(
            data["trip_id"], total, card=data["card"], idempotency_key=self.idempotency_key
        )
        return assign(data, charged=True)


def _booked(booking: Booking) -> Data:
    return {"id": booking.pk, "what": booking.what, "price": booking.price}
