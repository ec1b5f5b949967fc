"""The span of time that the rows of a trace cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

_STAMP_CHARS = 24
_STAMPS = re.compile(r"(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)*", re.ASCII)


class TimeSpan:
    """The earliest and the latest time stamp seen, kept as the source wrote them."""

    __slots__ = ("_first", "_last", "ended_at", "started_at")

    def __init__(self) -> None:
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self._first = ""
        self._last = ""

    def add_all(self, stamps: Sequence[str]) -> None:
        """Take in many: where all have the usual form their order as texts is that in time, and two need a look."""
        if stamps and set(map(len, stamps)) == {_STAMP_CHARS} and _STAMPS.fullmatch("".join(stamps)):
            first, last = min(stamps), max(stamps)
            if _order_key(first) and _order_key(last):
                stamps = (first, last)
        for stamp in stamps:
            self.add(stamp)

    def add(self, stamp: Any) -> None:
        """Take in one time stamp; what is no ISO 8601 date and time is passed over."""
        key = _order_key(stamp)
        if key is None:
            return
        if self.started_at is None or key < self._first:
            self.started_at, self._first = stamp, key
        if self.ended_at is None or key > self._last:
            self.ended_at, self._last = stamp, key


def _order_key(stamp: Any) -> str | None:
    """A text that sorts as the time does: the moment in UTC."""
    if not isinstance(stamp, str) or len(stamp) < 19 or stamp[4] != "-" or stamp[10] not in "T ":
        return None
    try:
        moment = datetime.fromisoformat(stamp)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds")
