"""Numbers and lists that remember their increments, so that parallel branches add up."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, Self, TypeAlias

Number: TypeAlias = int | float | Decimal


class Missing:
    """The type of ``MISSING``, for an absent key (``None`` is a value)."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Counted:
    """A number made by ``increment``: ``delta`` was added to ``origin`` (``None``: to nothing).

    Arithmetic on it gives plain numbers: a newly computed value replaces the increments.
    """

    delta: Number
    origin: Number | None

    def plain(self) -> Number:
        """The number without remembered increments."""
        number: Number = plain_number(self)
        return number

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return counted, (self.plain(), self.delta, self.origin)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any, /) -> Self:
        return self


class CountedInt(Counted, int):
    """An ``int`` that remembers its increments."""


class CountedFloat(Counted, float):
    """A ``float`` that remembers its increments."""


class CountedDecimal(Counted, Decimal):
    """A ``Decimal`` that remembers its increments."""


class Grown(list[Any]):
    """A list made by ``append``: its last ``appended`` items are new."""

    appended: int

    def __init__(self, items: Iterable[Any] = (), appended: int = 0) -> None:
        super().__init__(items)
        self.appended = appended


class Collected(list[Any]):
    """The results of a ``foreach``: a list with a size limit of its own."""


def is_number(value: object) -> bool:
    """Whether ``value`` is a number for ``increment``: int, float or Decimal, but no bool."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def counted(value: Number, delta: Number, origin: Number | None) -> Counted:
    """``value`` as a number that remembers its increment: ``delta``, added to ``origin``."""
    number: Counted
    if isinstance(value, Decimal):
        number = CountedDecimal(value)
    elif isinstance(value, float):
        number = CountedFloat(value)
    else:
        number = CountedInt(value)
    number.delta, number.origin = delta, origin
    return number


def incremented(old: Any, amount: Number) -> Counted:
    """``old + amount`` (``MISSING``: just ``amount``), with the sum of all amounts remembered.

    Raises ``TypeError`` if either of them is not a number.
    """
    if not is_number(amount):
        raise TypeError(f"increment needs a number, not {type(amount).__name__}")
    amount = plain_number(amount)
    if old is MISSING:
        return counted(amount, amount, None)
    if not is_number(old):
        raise TypeError(f"can't increment a value of type {type(old).__name__}")
    if isinstance(old, Counted):
        before: Any = old.plain()
        return counted(before + amount, add(old.delta, amount), old.origin)
    before = plain_number(old)
    return counted(before + amount, amount, before)


def add(left: Any, right: Any) -> Number:
    """The sum of two numbers, as a plain number."""
    total: Number = plain_number(left) + plain_number(right)
    return total


def plain_number(value: Any) -> Any:
    """The exact int, float or Decimal behind a number of any subclass."""
    if isinstance(value, Decimal):
        return Decimal(value)
    return float.__float__(value) if isinstance(value, float) else int.__int__(value)


def appended(old: Any, item: Any) -> Grown:
    """The list ``old`` (``MISSING``: an empty one) with ``item`` appended and remembered.

    Raises ``TypeError`` if ``old`` is not a list.
    """
    if old is MISSING:
        return Grown([item], 1)
    if not isinstance(old, list):
        raise TypeError(f"can't append to a value of type {type(old).__name__}, only to a list")
    return Grown([*old, item], (old.appended if isinstance(old, Grown) else 0) + 1)


def delta_since(value: Any, base: Any = MISSING) -> Number | None:
    """The amount added to ``base`` to get ``value``; ``None`` if not made by increments."""
    if not isinstance(value, Counted):
        return None
    if base is MISSING:
        return value.delta if value.origin is None else None
    same = is_number(base) and value.origin is not None and value.origin == base
    return value.delta if same else None


def items_since(value: Any, base: Any = MISSING) -> list[Any] | None:
    """The items appended to ``base`` to get ``value``; ``None`` if not made by ``append``."""
    if not isinstance(value, Grown):
        return None
    before = len(value) - value.appended
    if before < 0 or value[:before] != ([] if base is MISSING else base):
        return None
    return value[before:]
