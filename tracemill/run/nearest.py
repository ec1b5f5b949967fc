"""The trace that an id means: the one that has it, else the only one whose id begins with it, or of its session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tracemill.errors import InputError
from tracemill.trace import Trace

#: How many ids an error lists.
MOST_IDS = 10


@dataclass(slots=True)
class _Ids:
    """How many ids there were, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list[str])

    def add(self, trace_id: str) -> None:
        self.count += 1
        if len(self.first) < MOST_IDS:
            self.first.append(trace_id)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more:,} more" if more else "")


def choose_trace(traces: Iterable[Trace], wanted: str) -> Trace:
    """The trace with the id ``wanted``, or the only one that is near: its id begins so, or its session has that id.

    No trace is taken from ``traces`` beyond the one with the id; of those that are near one is held.

    Raises:
        InputError: none has the id, and not just one is near; the ids that are near or hold it are listed.
    """
    near, within = _Ids(), _Ids()
    only: Trace | None = None
    for trace in traces:
        if trace.trace_id == wanted:
            return trace
        if trace.trace_id.startswith(wanted) or trace.root_session_id == wanted:
            near.add(trace.trace_id)
            only = trace if near.count == 1 else None
        elif wanted in trace.trace_id:
            within.add(trace.trace_id)
    if only is not None:
        return only
    if near.count:
        raise InputError(f"no trace {wanted}; {near.count:,} ids begin so or are of that session: {near}")
    if within.count:
        raise InputError(f"no trace {wanted}; {within.count:,} ids hold it: {within}")
    raise InputError(
        f"no trace {wanted}, and no id holds it; --html FILE --limit all writes a page that lists them all"
    )
