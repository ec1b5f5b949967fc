"""The span of time that the rows of a trace cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

#: Length of a usual form, such as 2026-01-05T10:00:00.000Z → what lacks to the form in which times are compared.
_USUAL_ENDS = {20: ".000000+00:00", 24: "000+00:00", 27: "+00:00"}


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
        if stamps and self.started_at is None and _are_usual(stamps):
            first, last = min(stamps), max(stamps)
            if _is_date(first) and (last == first or _is_date(last)):
                end = _USUAL_ENDS[len(first)]
                self.started_at, self._first = first, first[:-1] + end
                self.ended_at, self._last = last, last[:-1] + end
                return
        for stamp in dict.fromkeys(stamps):
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


def _are_usual(stamps: Sequence[str]) -> bool:
    """Whether all have one usual form, as far as they are dates at all: then their order as texts is that in time."""
    size = len(stamps[0])
    if size not in _USUAL_ENDS or set(map(len, stamps)) != {size}:
        return False
    text, count = "".join(stamps), len(stamps)
    # no week dates and no other signs between date, time, fraction and zone
    has_marks = text[10::size] == "T" * count and text[19::size] == ("Z" if size == 20 else ".") * count
    return has_marks and text[size - 1 :: size] == "Z" * count and "W" not in text


def _is_date(stamp: str) -> bool:
    """Whether a time stamp of the usual form names a moment that there is."""
    try:
        datetime.fromisoformat(stamp)
    except ValueError:
        return False
    return True


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
