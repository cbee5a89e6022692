"""Pages of long lists: rows are counted only as far as anybody leafs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

#: beyond this many rows one narrows the list down instead of leafing on
COUNTED = 2_000


class BoundedPaginator(_Paginator):
    """Knows how many rows there are up to ``COUNTED``; says that there are more, not how many."""

    @cached_property
    def _seen(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        """The number of rows, at most ``COUNTED``."""
        return min(self._seen, COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are rows that are not counted."""
        return self._seen > COUNTED


class OwnOrder(ChangeList):
    """A list that is sorted by the columns that offer it, and by no others."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """The column of the table behind a column of the page; ``None`` if it is not offered."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)


class BoundedList(OwnOrder):
    """A list that counts no further than its paginator, whatever it has been narrowed down to."""

    def get_results(self, request: HttpRequest) -> None:
        """Without a search there is no other number to tell."""
        super().get_results(request)
        if not self.multi_page:  # so that the database, too, knows how few rows are wanted
            self.result_list = self.result_list[: self.list_per_page]
        if not self.query:
            self.full_result_count = self.result_count
