"""What a text can hold at all, told in one pass: the finders then look for that alone, and mostly for nothing.

Every finder names the expressions without which it finds nothing, as ``Need``s. ``relax`` turns each into one that
needs no lookaround and matches wherever the given one does, and Vectorscan (package ``hyperscan``) runs all of them
side by side in one automaton: 1.4 ns a character and 0.5 us a text, where the finders took 18 ns. Needs are the rules'
own expressions, so a new rule has its gate by being a rule; where those open for too much in vain (names with a value,
phrases) they are written for the gate, and tests hold that they open for all that is found.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracemill.redact.compiled import build_database

#: One part of an expression: an escape, a class, the head of a lookaround or group, a quantifier, a character.
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|<?[=!]|:)|\{\d+(?:,\d*)?\}\+?|[*+?]\+|.", re.DOTALL)
_RANGE = re.compile(r"\{(\d+),\d*\}")
_LOOKAROUNDS = frozenset({"(?=", "(?!", "(?<=", "(?<!"})
#: What else a class of Unicode holds: any character beyond ASCII (it stands in the bytes as ``?``), odd white space.
_BEYOND = r"?\x0b\x1c-\x1f"
#: Beyond this the engine's 32-bit lengths would cut a text short.
_MAX_CHARS = 2**31 - 1

#: Tells the labels of the needs that a text may meet.
Look = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Need:
    """``label`` is given for a text where ``pattern`` may match, as ``re`` would match it."""

    label: str
    pattern: str
    is_caseless: bool = False


class Gate:
    """Tells which of ``needs`` a text may meet: all that it meets, and hardly others. Threads share one."""

    def __init__(self, needs: Sequence[Need], place: Path | None = None) -> None:
        """``place``: the file in which what the engine compiled is kept, see ``tracemill.redact.compiled``."""
        import hyperscan

        self._labels = tuple(need.label for need in needs)
        self._all = frozenset(self._labels)
        self._make_scratch = hyperscan.Scratch
        self._local = threading.local()
        base = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        flags = [base | (hyperscan.HS_FLAG_CASELESS if need.is_caseless else 0) for need in needs]
        self._database = build_database([relax(need.pattern) for need in needs], flags, place)

    def list_open(self, text: str) -> frozenset[str]:
        """The labels of the needs that the text may meet."""
        return self.get_look()(text)

    def get_look(self) -> Look:
        """``list_open`` for this thread alone, and quicker: for one who looks at many texts."""
        try:
            return self._local.look
        except AttributeError:  # the engine works without the interpreter's lock: every thread has its own memory
            look = self._local.look = self._build_look()
            return look

    def _build_look(self) -> Look:
        found: list[int] = []
        scan, scratch = self._database.scan, self._make_scratch(self._database)
        labels, everything = self._labels, self._all

        def note(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.append(number)

        def look(text: str) -> frozenset[str]:
            if len(text) > _MAX_CHARS:
                return everything
            scan(text.encode("ascii", "replace"), note, 0, None, scratch)  # by place: names would cost 0.25 us more
            if not found:
                return _NOTHING
            opened = frozenset([labels[number] for number in found])
            found.clear()
            return opened

        return look


_NOTHING: frozenset[str] = frozenset()


def relax(pattern: str) -> str:
    """An expression over ASCII bytes that matches wherever ``pattern`` matches in the text that they were made from.

    Lookarounds go, ``{2,9}`` becomes ``{2,}``, possessive quantifiers become plain ones, and classes that hold letters
    beyond ASCII get the ``?`` that stands for such a letter: each step allows more, none less.
    """
    return "".join(_relax_parts(_PART.findall(pattern)))


def _relax_parts(parts: Sequence[str]) -> Iterator[str]:
    skipping = 0  # depth of parentheses within a lookaround
    for part in parts:
        if skipping:
            skipping += (part[0] == "(") - (part == ")")
        elif part in _LOOKAROUNDS:
            skipping = 1
        elif part[0] == "[" and len(part) > 1:
            yield _relax_class(part)
        elif part in (r"\d", r"\w", r"\s"):
            yield _relax_class(f"[{part}]")
        elif part in (r"\Z", r"\b", r"\B", "^", "$"):
            continue
        elif part[0] == "{" and len(part) > 1:
            yield _RANGE.sub(r"{\1,}", part.rstrip("+"))
        elif part[0] in "*+?" and len(part) > 1:
            yield part[0]
        else:
            yield part


def _relax_class(part: str) -> str:
    is_negated = part[1] == "^"
    if re.search(r"\\[WDS]", part) if is_negated else re.search(r"\\[wds]", part):
        return rf"(?:{part}|[{_BEYOND}])"
    return part
