"""Where a rule's literal stands in a text, found at the speed of a few scans for one character.

Measured on 3 MB of agent traces (CPython 3.11): one regular expression with all literals as alternatives costs 15 to
25 ns a byte; ``str.find`` 0.5 to 0.9 ns a byte for each literal, 50 ns for 80 of them; a pattern that begins with one
fixed character 0.3 to 1.5 ns a byte. So literals are grouped by a character that is rare in text (their last ``_``,
``-`` or ``.``, an ``A``, ``J``, ``K`` …) and looked at by lookbehind only where that one stands. Texts come here only
where ``tracemill.redact.gate`` saw that a rule can match, and then only that rule's group is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache

from tracemill.redact.gate import Need
from tracemill.redact.rule import Rule
from tracemill.redact.rules import RULES

#: Pivot character → what has to follow it for a literal of its group; every key is longer than this.
_PIVOTS = {
    "_": "(?=[A-Za-z0-9_+/-]{12})",
    "-": "(?=[A-Za-z0-9_+/%-]{12})",
    ".": "(?=[A-Za-z0-9_-])",
    **dict.fromkeys("~&JAKB", ""),
}
_LAST_PIVOTS = frozenset("_-.")
#: A literal without a pivot is looked for as it is; this one only where a text has the other character as well.
_GATES = {"://": "@"}
#: Literals of one tail in one expression of the gate: with 90 the whole gate takes ten times as long.
_SHARED_LITERALS = 48


@dataclass(frozen=True, slots=True)
class _Entry:
    rule: Rule
    literal: str
    pivot: int


@dataclass(frozen=True, slots=True)
class _Sieve:
    letter: str
    entries: tuple[_Entry, ...]
    labels: frozenset[str]


def list_key_needs() -> Iterator[Need]:
    """What ``find_keys`` finds nothing without: a match of a rule's expression."""
    shared: dict[str, list[str]] = {}
    for rule in RULES:
        if rule.tail:
            shared.setdefault(rule.tail, []).extend(rule.literals)
        else:
            yield Need(rule.label, rule.gate or rule.pattern)
    for tail, literals in shared.items():
        for first in range(0, len(literals), _SHARED_LITERALS):
            heads = "|".join(map(re.escape, literals[first : first + _SHARED_LITERALS]))
            yield Need(tail, f"(?:{heads}){tail}")


def find_keys(text: str, labels: Set[str]) -> Iterator[tuple[int, int, str]]:
    """Yield ``(start, end, kind)`` of every match of a rule of ``labels``; matches of different rules may overlap."""
    for sieve in _build_sieves():
        if sieve.labels.isdisjoint(labels) or _GATES.get(sieve.letter, sieve.letter) not in text:
            continue
        done: dict[str, int] = {}
        for site in _compile_sieve(sieve.letter).finditer(text):
            for entry in sieve.entries:
                start = site.start() - entry.pivot
                if start >= done.get(entry.rule.kind, 0) and text.startswith(entry.literal, start):
                    yield from _try_rule(entry, text, start, done)


def _try_rule(entry: _Entry, text: str, start: int, done: dict[str, int]) -> Iterator[tuple[int, int, str]]:
    rule = entry.rule
    pattern = _compile_rule(rule.pattern)
    for back in rule.back:
        if back > start or not (match := pattern.match(text, start - back)):
            continue
        # what was refused is not looked at again: a long run of the same literal stays linear
        done[rule.kind] = max(match.end(), start + 1)
        if rule.accept is None or rule.accept(match):
            yield *match.span(match.lastindex or 0), rule.kind
            return


@cache
def _build_sieves() -> tuple[_Sieve, ...]:
    groups: dict[str, list[_Entry]] = {}
    for rule in RULES:
        for literal in rule.literals:
            letter, pivot = _choose_pivot(literal)
            groups.setdefault(letter, []).append(_Entry(rule, literal, pivot))
    return tuple(
        _Sieve(letter, tuple(entries), frozenset(entry.rule.label for entry in entries))
        for letter, entries in groups.items()
    )


@cache
def _compile_rule(pattern: str) -> re.Pattern[str]:
    """A rule's expression, when first tried: all of them take 30 ms."""
    return re.compile(pattern)


def _choose_pivot(literal: str) -> tuple[str, int]:
    if literal[-1] in _LAST_PIVOTS:
        return literal[-1], len(literal) - 1
    for letter in _PIVOTS:
        if letter in literal and letter not in _LAST_PIVOTS:
            return letter, literal.rindex(letter)
    return literal, 0


@cache
def _compile_sieve(letter: str) -> re.Pattern[str]:
    entries = next(sieve.entries for sieve in _build_sieves() if sieve.letter == letter)
    if letter not in _PIVOTS:
        aheads = sorted({entry.rule.ahead for entry in entries})
        return re.compile(re.escape(letter) + (f"(?={'|'.join(aheads)})" if all(aheads) else ""))
    sites: dict[str, dict[str, None]] = {}
    for entry in entries:
        head, tail = entry.literal[: entry.pivot + 1], entry.literal[entry.pivot + 1 :]
        near = f"(?<={re.escape(head[-2:])})" if len(head) > 1 else ""
        behind = f"(?<={re.escape(head)})" if len(head) > 2 else ""
        ahead = f"(?={re.escape(tail)}{entry.rule.ahead})" if tail or entry.rule.ahead else ""
        sites.setdefault(near, {})[behind + ahead] = None
    branches = "|".join(f"{near}(?:{'|'.join(sites[near])})" for near in sites)
    return re.compile(f"{re.escape(letter)}{_PIVOTS[letter]}(?:{branches})")
