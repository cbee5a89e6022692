"""Write users' values as text and read them back, with the same types and equality."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.functional import Promise

from durable import conf
from durable.errors import DurableError, NotSerializable
from durable.increments import Collected, Counted, Grown, counted
from durable.refusals import SMALL, accessor, largest_part, name_of, too_large, why_not_data

MAX_DEPTH: Final = 100
MAX_DIGITS: Final = 4300  # digits of an int: the most that Python reads back by default

_SMALL: Final = SMALL
_TOO_LONG: Final = 10**MAX_DIGITS
_NEVER_BAD: Final = frozenset({bool, type(None)})
_RARELY_BAD: Final = _NEVER_BAD | {float}
_JSON: Final = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


class Encoded(NamedTuple):
    """A value as text, and whether increments are in the value: their memory can be left out."""

    text: str
    increments: bool


def dumps(
    value: Any,
    *,
    path: str = "data",
    limit: int | None = None,
    setting: str = "MAX_DATA_BYTES",
    keep_increments: bool = False,
) -> str:
    """``value`` as text; ``NotSerializable`` names the place (under ``path``) that can't be stored.

    ``limit``, in bytes of UTF-8, defaults to that of ``setting``. With ``keep_increments`` the
    memory of ``increment`` and ``append`` is stored too; without it they become plain values.
    """
    return write(value, path, limit, setting, keep_increments=keep_increments).text


def write(
    value: Any,
    path: str = "data",
    limit: int | None = None,
    setting: str = "MAX_DATA_BYTES",
    *,
    keep_increments: bool = False,
) -> Encoded:
    """``dumps``, and whether ``keep_increments`` makes a difference."""
    if limit is None:
        limit = int(conf.get(setting))
    try:
        scan = _Scan(limit, keep_increments)
        plain = scan.visit(value, 1)
        text = _JSON.encode(plain)
        size = len(text) if text.isascii() else len(text.encode())
        if "\\u0000" in text:
            _Scan(limit, keep_increments, careful=True).visit(value, 1)
    except _Refusal as refusal:
        raise NotSerializable(refusal.place(path), refusal.reason) from None
    except _Endless:
        raise NotSerializable(path, too_large(f"more than {limit}", limit, setting)) from None
    except ValueError as error:  # NaN, Infinity, a lone surrogate: look again for the place
        try:
            _Scan(limit, keep_increments, careful=True).visit(value, 1)
        except _Refusal as refusal:
            raise NotSerializable(refusal.place(path), refusal.reason) from None
        raise NotSerializable(path, str(error)) from None
    if size > limit + scan.collected:
        reason = too_large(str(size), limit, setting) + largest_part(plain, path)
        raise NotSerializable(path, reason)
    return Encoded(text, scan.increments)


def loads(text: str) -> Any:
    """The value that ``dumps`` wrote."""
    return _TAGGED.decode(text) if '"~t"' in text else json.loads(text)


def dump_data(value: Any, path: str = "data", *, keep_increments: bool = False) -> str:
    """``dumps`` for data, which must be a dict; ``NotSerializable`` for anything else."""
    if not issubclass(type(value), dict):
        raise NotSerializable(path, f"it must be a dict with string keys, not {name_of(value)}")
    return dumps(value, path=path, keep_increments=keep_increments)


def check(value: Any, path: str = "data") -> None:
    """Raise ``NotSerializable`` if ``value`` can't be stored."""
    dumps(value, path=path)


def alike(one: Any, other: Any) -> bool:
    """Whether two values are equal when stored: types count, the order of keys does not."""
    return _ordered(one) == _ordered(other)


def _ordered(value: Any) -> str:
    return json.dumps(json.loads(dumps(value, limit=1 << 40)), sort_keys=True)


# -- writing ---------------------------------------------------------------------------------


class _Refusal(Exception):
    """A value that can't be stored; ``steps`` is the path to it, the innermost first."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.steps: list[str] = []

    def place(self, path: str) -> str:
        whole = path + "".join(reversed(self.steps))
        return whole if len(whole) <= 600 else f"{whole[:280]}…{whole[-280:]}"


class _Endless(Exception):
    """The value repeats itself without end, so its text would never end."""


class _Scan:
    """One pass over a value: checks it, and tags values of types that JSON lacks.

    Returns the same object if it is plain JSON already, so that the common case copies nothing.
    Strings and floats are left to the JSON encoder, unless ``careful``, which finds a bad one's
    place.
    """

    __slots__ = ("careful", "cheap", "collected", "increments", "keep", "left")

    def __init__(self, limit: int, keep_increments: bool, careful: bool = False) -> None:
        # Well above the limit: a value that is only too large is refused later, with its size.
        self.left = 4 * limit + (8 << 20)
        self.keep = keep_increments
        self.increments = False  # whether it has met some
        self.collected = 0  # bytes of collected results, which have a limit of their own
        self.careful = careful
        self.cheap = _NEVER_BAD if careful else _RARELY_BAD

    def visit(self, value: Any, depth: int) -> Any:
        encode = _ENCODERS.get(type(value)) or _encoder_of(type(value))
        if encode is None:
            raise _Refusal(why_not_data(value))
        try:
            return encode(self, value, depth)
        except (_Refusal, _Endless):
            raise
        except Exception as error:  # from a time zone, a translation, a user's subclass
            raise _Refusal(f"{name_of(value)} fails with {type(error).__name__}") from None

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise _Endless

    def changes(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[Any, Any]:
        """The items of a container that JSON can't hold unchanged, with their replacements."""
        if depth > MAX_DEPTH:
            raise _Refusal(f"it is nested deeper than {MAX_DEPTH} levels")
        changed: dict[Any, Any] = {}
        self.spend(8)
        size, quick, cheap = 0, not self.careful, self.cheap
        key: Any = None
        try:
            for key, item in pairs:
                kind = type(item)
                if kind is str and quick:
                    size += len(item)
                elif kind not in cheap and not (kind is int and -_SMALL < item < _SMALL):
                    new = self.visit(item, depth + 1)
                    if new is not item:
                        changed[key] = new
        except _Refusal as refusal:
            refusal.steps.append(accessor(key))
            raise
        self.spend(size)
        return changed

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if type(value) is not dict:
            value = dict(value.items())
        size, plain_keys, escape = len(value), True, False
        for key in value:
            if type(key) is not str or self.careful:
                plain_keys = False
                self.key(key)
            if str.startswith(key, "~"):
                escape = True
            size += len(key)
        self.spend(size)
        changed = self.changes(value.items(), depth)
        plain = {**value, **changed} if changed else value
        if not plain_keys:
            plain = {str.__str__(key): item for key, item in plain.items()}
        return {"~t": "dict", "~v": [list(p) for p in plain.items()]} if escape else plain

    def key(self, key: Any) -> None:
        try:
            if not issubclass(type(key), str):
                raise _Refusal(f"its key is {name_of(key)}; keys must be strings")
            self.text(key)
        except _Refusal as refusal:
            refusal.steps.append(accessor(key))
            raise

    def sequence(self, value: Any, depth: int) -> list[Any]:
        items: list[Any] = value if type(value) is list else list(value)
        self.spend(len(items))
        changed = self.changes(enumerate(items), depth)
        return [changed.get(i, item) for i, item in enumerate(items)] if changed else items

    def members(self, value: Any, depth: int) -> list[Any]:
        """The members of a set in the order of their text: equal sets are written alike."""
        try:
            plain = self.sequence(value, depth)
        except _Refusal as refusal:
            del refusal.steps[-1:]  # a set has no index
            raise
        try:
            texts = [_JSON.encode(item) for item in plain]
        except ValueError:
            return plain  # the encoder fails in the same way, and the careful pass names the place
        for item, text in zip(plain, texts, strict=True):
            if isinstance(item, dict | list):
                hash(loads(text))  # a member must be hashable again when it is read back
        return [plain[i] for i in sorted(range(len(plain)), key=texts.__getitem__)]

    def text(self, value: Any) -> str:
        text = str.__str__(value)
        self.spend(len(text))
        if self.careful and "\0" in text:
            raise _Refusal("the string contains a NUL character")
        if self.careful and any("\ud800" <= character <= "\udfff" for character in text):
            raise _Refusal("the string contains a lone surrogate, which is not valid Unicode")
        return text

    def tagged(self, tag: str, text: str) -> dict[str, Any]:
        self.spend(len(text))
        return {"~t": tag, "~v": text}

    def tagged_time(self, tag: str, text: str, value: Any) -> dict[str, Any]:
        """A datetime or time: ``text`` includes the offset, ``~z`` is the name of the zone."""
        coded = self.tagged(tag, text)
        if isinstance(value.tzinfo, ZoneInfo) and isinstance(value.tzinfo.key, str):
            coded["~z"] = value.tzinfo.key
        if value.fold:
            coded["~f"] = 1
        return coded


def _int(scan: _Scan, value: Any, depth: int) -> int:
    number = int.__int__(value)
    if not -_TOO_LONG < number < _TOO_LONG:
        raise _Refusal(f"an int of more than {MAX_DIGITS} digits")
    scan.spend(number.bit_length() // 4)
    return number


def _float(scan: _Scan, value: Any, depth: int) -> float:
    if scan.careful and not math.isfinite(value):
        raise _Refusal("NaN and Infinity are not data; use None or a string")
    return float.__float__(value)


def _decimal(scan: _Scan, value: Any, depth: int) -> Any:
    if not Decimal.is_finite(value):
        raise _Refusal("NaN and Infinity are not data; use None or a string")
    return scan.tagged("decimal", Decimal.__str__(value))


def _counted(scan: _Scan, value: Any, depth: int) -> Any:
    scan.increments = True
    parts = [value.plain(), value.delta, value.origin]
    if not scan.keep:
        return scan.visit(parts[0], depth)
    return {"~t": "counted", "~v": scan.sequence(parts, 1)}


def _grown(scan: _Scan, value: Any, depth: int) -> Any:
    scan.increments = True
    items = scan.sequence(value, depth)
    return {"~t": "grown", "~v": items, "~n": value.appended} if scan.keep else items


def _collected(scan: _Scan, value: Any, depth: int) -> Any:
    limit = int(conf.get("MAX_COLLECTED_BYTES"))
    inner = _Scan(limit, scan.keep, scan.careful)
    items = inner.sequence(value, depth)
    size = len(_JSON.encode(items).encode("utf-8", "surrogatepass"))
    if size > limit:
        raise _Refusal(too_large(str(size), limit, "MAX_COLLECTED_BYTES"))
    scan.collected += size + 32
    scan.increments |= inner.increments
    return {"~t": "collected", "~v": items}


_Encoder = Callable[[_Scan, Any, int], Any]
_ENCODERS: Final[dict[type, _Encoder]] = {  # the order matters to subclasses
    bool: lambda scan, value, depth: value,
    type(None): lambda scan, value, depth: value,
    Counted: _counted,
    Grown: _grown,
    Collected: _collected,
    str: lambda scan, value, depth: scan.text(value),
    int: _int,
    float: _float,
    dict: _Scan.mapping,
    list: _Scan.sequence,
    tuple: lambda scan, value, depth: {"~t": "tuple", "~v": scan.sequence(value, depth)},
    set: lambda scan, value, depth: {"~t": "set", "~v": scan.members(value, depth)},
    frozenset: lambda scan, value, depth: {"~t": "frozenset", "~v": scan.members(value, depth)},
    datetime: lambda scan, value, depth: scan.tagged_time(
        "datetime", datetime.isoformat(value), value
    ),
    date: lambda scan, value, depth: scan.tagged("date", date.isoformat(value)),
    time: lambda scan, value, depth: scan.tagged_time("time", time.isoformat(value), value),
    timedelta: lambda scan, value, depth: {
        "~t": "timedelta",
        "~v": [value.days, value.seconds, value.microseconds],
    },
    Decimal: _decimal,
    UUID: lambda scan, value, depth: scan.tagged("uuid", UUID.__str__(value)),
    bytes: lambda scan, value, depth: scan.tagged("bytes", base64.b64encode(value).decode()),
    Promise: lambda scan, value, depth: scan.text(str(value)),
}


def _encoder_of(kind: type) -> _Encoder | None:
    return next((encode for base, encode in _ENCODERS.items() if issubclass(kind, base)), None)


# -- reading ---------------------------------------------------------------------------------


def _time_of(kind: type[datetime] | type[time], coded: dict[str, Any]) -> Any:
    value = kind.fromisoformat(coded["~v"])
    if "~z" in coded:
        # If this machine lacks the zone, the offset still gives the instant.
        with suppress(KeyError, ValueError, OSError):
            value = value.replace(tzinfo=ZoneInfo(coded["~z"]))
    return value.replace(fold=1) if "~f" in coded else value


_READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "dict": lambda coded: dict(coded["~v"]),
    "tuple": lambda coded: tuple(coded["~v"]),
    "set": lambda coded: set(coded["~v"]),
    "frozenset": lambda coded: frozenset(coded["~v"]),
    "datetime": lambda coded: _time_of(datetime, coded),
    "date": lambda coded: date.fromisoformat(coded["~v"]),
    "time": lambda coded: _time_of(time, coded),
    "timedelta": lambda coded: timedelta(*coded["~v"]),
    "decimal": lambda coded: Decimal(coded["~v"]),
    "uuid": lambda coded: UUID(coded["~v"]),
    "bytes": lambda coded: base64.b64decode(coded["~v"]),
    "counted": lambda coded: counted(*coded["~v"]),
    "grown": lambda coded: Grown(coded["~v"], coded["~n"]),
    "collected": lambda coded: Collected(coded["~v"]),
}


def _revive(coded: dict[str, Any]) -> Any:
    if "~t" not in coded:
        return coded
    read = _READERS.get(coded["~t"])
    if read is None:
        raise DurableError(
            f"stored data has the type {coded['~t']!r}, which this version of durable doesn't "
            "know; it was written by a newer one"
        )
    return read(coded)


_TAGGED: Final = json.JSONDecoder(object_hook=_revive)
