"""The span of time that the rows of a trace cover."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


class TimeSpan:
    """The earliest and the latest time stamp seen, kept as the source wrote them."""

    __slots__ = ("_first", "_last", "ended_at", "started_at")

    def __init__(self) -> None:
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self._first = ""
        self._last = ""

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
