"""The sessions of a survey's page, kept on disk until the page is written; memory holds where they lie."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from tracemill.report.survey_session import list_words
from tracemill.report.survey_tally import MOST_LARGEST, Largest
from tracemill.trace import Trace
from tracemill.view import render_view

_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


class SessionSpool:
    """At most ``most`` sessions of all that pass by (None: all of them).

    The largest that a survey names come first, then those of failed outcome, then the others, each in reading order
    but the largest, which go by size. Which they are is known at the end alone: so of the failed and of the others the
    first ``most`` are written to a temporary file, and only the largest so far are held. A context manager: its end
    removes the file.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115 (closed by __exit__)
        self._largest = Largest(MOST_LARGEST if most is None else min(most, MOST_LARGEST))
        self._places: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self.seen = 0
        self.failed = 0

    def __enter__(self) -> SessionSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def count(self) -> int:
        """How many sessions there will be on the page."""
        return self.seen if self._most is None else min(self.seen, self._most)

    @property
    def largest_count(self) -> int:
        """How many of them are there because they are the largest."""
        return len(self._largest.to_list())

    def add(self, trace: Trace, summary: Mapping[str, Any]) -> None:
        """Offer a session, with what ``Survey.add`` gave for it; its view is made only where it may be shown."""
        number, is_failed, size = self.seen, trace.success is False, summary["characters"]
        self.seen += 1
        self.failed += is_failed
        places = self._places[is_failed]
        is_listed, is_large = self._most is None or len(places) < self._most, self._largest.has_room(size)
        if not (is_listed or is_large):
            return
        view = render_view(trace)
        shown = {**summary, "words": list_words(trace), "view": view.text, "cut_chars": view.cut_chars}
        line = embed_json(shown).encode("ascii") + b"\n"
        if is_listed:
            places[number] = self._file.tell()
            self._file.write(line)
        if is_large:
            self._largest.add(size, {"number": number, "line": line})

    def __iter__(self) -> Iterator[str]:
        """The sessions chosen, as JSON that can stand in a script element."""
        large: dict[int, bytes] = {item["number"]: item["line"] for item in self._largest.to_list()}
        for line in large.values():
            yield line.decode("ascii").rstrip("\n")
        left = self.count - len(large)
        for places in (self._places[True], self._places[False]):
            for number, place in places.items():
                if left <= 0:
                    return
                if number in large:
                    continue
                left -= 1
                self._file.seek(place)
                yield self._file.readline().decode("ascii").rstrip("\n")


def embed_json(value: Any) -> str:
    """JSON on one line that no HTML parser can take for markup and no script parser for a line end.

    ``<``, ``>``, ``&``, U+2028, U+2029 and all else that is not ASCII are written as escapes.
    """
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)
