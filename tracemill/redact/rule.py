"""What a rule is: a kind of secret, the literals with which it can begin, and the pattern that is tried there."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tracemill.redact.shapes import is_key

#: A match may begin after a letter only where that letter ends an escape: ``\\n``, ``%3D``, a colour code.
BOUNDARY = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2})|(?<=\dm))"
#: Also not within base64.
BASE64_BOUNDARY = r"(?:(?<![A-Za-z0-9+/])|(?<=\\[nrt])|(?<=%[0-9A-F]{2})|(?<=\dm))"

#: Classes of characters that keys are made of.
W = r"[A-Za-z0-9_-]"
A = r"[A-Za-z0-9]"
H = r"[0-9a-fA-F]"
UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    * ``kind``: snake_case; the key in ``Trace.redacted`` and, in capitals, part of the placeholder.
    * ``literals``: every match holds one of them, at one of the offsets ``back`` from its begin.
    * ``pattern``: what is matched from the begin on; its last group is the secret, else the whole match.
    * ``accept``: a last look at the match.
    * ``ahead``: a cheap pattern of what follows the literal, where the literal alone is frequent.
    * ``gate``: what every match holds, where that is cheaper to look for than ``pattern``.
    * ``tail``: what follows the literal at least; the gate looks for all rules of the same tail as for one, since each
      expression more costs it 0.5 ms at the start.
    """

    kind: str
    literals: tuple[str, ...]
    pattern: str
    accept: Callable[[re.Match[str]], bool] | None = None
    back: tuple[int, ...] = (0,)
    ahead: str = ""
    gate: str = ""
    tail: str = ""

    @property
    def label(self) -> str:
        """What the gate gives for a text that this rule may match."""
        return self.tail or self.kind


def accept_key(match: re.Match[str]) -> bool:
    """Whether the secret of a match is a key and no stand-in for one."""
    return is_key(match[match.lastindex or 0])


def build_prefix_rule(kind: str, literals: str, tail: str, boundary: str = BOUNDARY, ahead: str = "") -> Rule:
    """A rule for keys that begin with one of ``literals``, which blanks separate."""
    names = tuple(literals.split())
    heads = "|".join(re.escape(name) for name in names)

    def accept(match: re.Match[str]) -> bool:
        return is_key(match[0], max(len(name) for name in names if match[0].startswith(name)))

    is_frequent = boundary == BASE64_BOUNDARY or min(map(len, names)) <= _SHORT_CHARS
    shared = "" if is_frequent else _share_tail(tail)
    begin = _BEGIN.match(tail)
    is_telling = begin is not None and (not is_frequent or int(begin[2]) >= _TELLING_CHARS)
    gate = f"(?:{heads}){begin[1]}{{{min(int(begin[2]), _GATE_CHARS)}}}" if begin and is_telling else ""
    return Rule(kind, names, rf"{boundary}(?:{heads}){tail}", accept, ahead=ahead, gate=gate, tail=shared)


#: Literals of this length are frequent in other words, those of base64 in images: they get a gate of their own.
_SHORT_CHARS = 3
#: With fewer a frequent literal is that of a word (``load_more_sessions``): the gate looks for the whole expression.
_TELLING_CHARS = 12
#: More than that tells a key no better from a word, and costs the gate more.
_GATE_CHARS = 24
_BEGIN = re.compile(r"(\[[^\]]+\])\{(\d+)")
_TAIL_LETTERS = ("A-Za-z0-9_-", "A-Za-z0-9_+/=.%-")
_TAIL_CHARS = (30, 20, 12)


@cache  # few tails, many rules
def _share_tail(tail: str) -> str:
    """The widest of few patterns that matches the begin of all that ``tail`` matches; empty where there is none."""
    head = _BEGIN.match(tail)
    if not head:
        return ""
    letters = [letter for letter in string.printable if re.match(head[1], letter)]
    for shared in _TAIL_LETTERS:
        if all(re.match(f"[{shared}]", letter) for letter in letters):
            chars = next((chars for chars in _TAIL_CHARS if chars <= int(head[2])), 0)
            return f"[{shared}]{{{chars}}}" if chars else ""
    return ""
