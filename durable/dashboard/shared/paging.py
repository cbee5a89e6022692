"""Pages of long lists: rows are counted up to a bound."""

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

#: rows counted in a list; beyond them people filter rather than turn pages
COUNTED = 2_000


class BoundedPaginator(_Paginator):
    """Counts up to ``COUNTED`` rows; ``more`` says whether there are others."""

    @cached_property
    def _seen(self) -> int:
        rows: Any = self.object_list  # in the list's order, which has an index: without one,
        return int(rows[: COUNTED + 1].count())  # PostgreSQL may read the table until it has them

    @cached_property
    def count(self) -> int:
        """The number of rows, at most ``COUNTED``."""
        return min(self._seen, COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are more rows than ``COUNTED``."""
        return self._seen > COUNTED


class OwnOrder(ChangeList):
    """A list that can be sorted only by the columns in ``sortable_by``."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """The database column behind a column of the list; ``None`` if it can't be sorted by."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)


class BoundedList(OwnOrder):
    """A list with the count of its paginator: no other rows are counted."""

    def get_results(self, request: HttpRequest) -> None:
        """Without a search the full count is the paginator's."""
        super().get_results(request)
        if not self.multi_page:  # a LIMIT tells the database how few rows are wanted
            self.result_list = self.result_list[: self.list_per_page]
        if not self.query:
            self.full_result_count = self.result_count
