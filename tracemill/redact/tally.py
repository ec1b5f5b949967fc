"""What one pass over a trace keeps: counts of placeholders, texts without a finding, the placeholders themselves."""

from __future__ import annotations

from tracemill.redact.gate import Look

Counts = dict[str, int]


class Tally:
    """What one pass over a trace counts, and what it needs not do twice: short texts without a hit, placeholders.

    * ``look``: asks the gate; of this thread alone, so a tally is too.
    * ``labels``: all that the gate gave on the way for texts with a hit.
    """

    __slots__ = ("clean", "counts", "labels", "look", "placeholders")

    def __init__(self, look: Look, before: Tally | None = None) -> None:
        self.look = look
        self.counts: Counts = {}
        self.labels: frozenset[str] = frozenset()
        self.clean: set[str] = before.clean if before else set()
        self.placeholders: dict[tuple[str, str], str] = before.placeholders if before else {}

    def add(self, kind: str, number: int = 1) -> None:
        """Count ``number`` placeholders more of ``kind``."""
        self.counts[kind] = self.counts.get(kind, 0) + number
