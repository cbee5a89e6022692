"""Turn local wall times into instants, also where the clocks change."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo

WallTimes = Callable[[datetime], Iterator[datetime]]
"""The naive local times of a schedule later than a naive one, ascending."""


def instants(
    wall_times: WallTimes, zone: tzinfo, after: datetime, *, by_the_hour: bool
) -> Iterator[datetime]:
    """The instants (UTC) of a schedule's wall times, later than ``after``, strictly ascending.

    ``by_the_hour``: the schedule follows real time through a change (skips the gap, runs in both
    of two equal hours); else each wall time fires once: the first time, or right after the gap.
    """
    after = after.astimezone(UTC)
    found = _in_real_time if by_the_hour else _once_each
    last = after
    for instant in found(wall_times, zone, after):
        if instant > last:
            last = instant
            yield instant


def _once_each(wall_times: WallTimes, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    for wall in wall_times(_local(after, zone)):
        instant = _instant(wall, zone, fold=0)
        yield instant if _local(instant, zone) == wall else _end_of_gap(wall, zone)


def _in_real_time(wall_times: WallTimes, zone: tzinfo, after: datetime) -> Iterator[datetime]:
    # If the clocks are about to go back, wall times before the present one come again.
    back = _offset(after, zone) - _offset(after + timedelta(hours=25), zone)
    later: list[datetime] = []  # second occurrences, until the first ones before them are out
    for wall in wall_times(_local(after, zone) - max(back, timedelta(0))):
        first, second = _instant(wall, zone, fold=0), _instant(wall, zone, fold=1)
        if _local(first, zone) != wall:
            continue  # in the gap
        while later and later[0] < first:
            yield heapq.heappop(later)
        yield first
        if second != first:
            heapq.heappush(later, second)


def _local(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, zone: tzinfo, *, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _end_of_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant after the gap around a skipped wall time, to the second."""
    before, beyond = sorted(_instant(wall, zone, fold=fold) for fold in (0, 1))
    offset = _offset(before, zone)
    while beyond - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(beyond - before) // timedelta(seconds=2))
        if _offset(middle, zone) == offset:
            before = middle
        else:
            beyond = middle
    return beyond
