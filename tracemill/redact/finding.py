"""All finders on one text, in order of precedence, behind the gate that tells which of them can find anything."""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache

from tracemill.redact.assigned_needs import list_assigned_needs
from tracemill.redact.assignments import ASSIGNED_LABELS, find_assigned
from tracemill.redact.compiled import find_place
from tracemill.redact.escapes import ESCAPE_LABELS, list_escape_needs, read_escapes
from tracemill.redact.gate import Gate, Need
from tracemill.redact.headers import HEADER_LABELS, find_headers, list_header_needs
from tracemill.redact.json_text import HIDDEN_LABEL, list_json_needs
from tracemill.redact.jwk import JWK_LABELS, find_jwk_members, list_jwk_needs
from tracemill.redact.names import EMAIL_LABELS, HOME_LABELS, NAME_LABELS, find_emails, find_homes, list_name_needs
from tracemill.redact.pem import PEM_LABELS, find_key_ends, list_pem_needs
from tracemill.redact.phrases import PHRASE_LABELS, find_phrases, list_phrase_needs
from tracemill.redact.sieve import find_keys, list_key_needs
from tracemill.redact.tables import TABLE_LABELS, find_cells, list_table_needs

Hit = tuple[int, int, str]
Finder = Callable[[str, Set[str]], Iterable[Hit]]
ExtraRules = Sequence[tuple[str, re.Pattern[str]]]

#: Labels that no rule has for whose literals ``find_keys`` would look.
_NO_KEYS = NAME_LABELS | {HIDDEN_LABEL}
_building = threading.Lock()
_KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PLACEHOLDER = re.compile(r"\[REDACTED_[A-Z0-9_]{1,40}_[0-9a-f]{6}\]")


def build_gate() -> Gate:
    """The gate in front of all finders, built once a process (0.3 s of CPU the first time, later 0.01 s)."""
    with _building:
        return _build_gate()


def begin_gate() -> None:
    """Let the gate be built beside what the caller does next: the engine works without the interpreter's lock.

    A process must have called ``build_gate`` before it forks.
    """
    threading.Thread(target=build_gate, name="build_gate").start()


@cache
def _build_gate() -> Gate:
    return Gate(list(list_needs()), find_place())


def list_needs() -> Iterator[Need]:
    """What the finders find nothing without."""
    yield from list_key_needs()
    yield from list_assigned_needs()
    yield from list_header_needs()
    yield from list_phrase_needs()
    yield from list_table_needs()
    yield from list_pem_needs()
    yield from list_jwk_needs()
    yield from list_escape_needs()
    yield from list_name_needs()
    yield from list_json_needs()


def find_hits(text: str, labels: frozenset[str], extra: ExtraRules = ()) -> list[Hit]:
    """The hits ``(start, end, kind)`` in order, none overlapping another, none within a placeholder.

    ``labels``: what ``build_gate().list_open(text)`` gave; ``extra``: rules that no gate knows, as ``(kind, pattern)``.
    """
    if not labels and not extra:
        return []
    hits = _find(text, labels, extra)
    if not labels.isdisjoint(ESCAPE_LABELS):
        hits += _find_escaped(text, labels)
    if hits and "[REDACTED_" in text:
        hits = _drop_overlaps(hits, [match.span() for match in _PLACEHOLDER.finditer(text)])
    return _merge_hits(hits) if len(hits) > 1 else hits


def compile_extra(kind: str, pattern: str) -> tuple[str, re.Pattern[str]]:
    """A user's own rule, ready for ``find_hits``.

    Raises: ``ValueError`` on a kind that is not snake_case or an expression that does not compile.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"redaction rule {kind!r}: a kind is snake_case, such as 'employee_id'")
    try:
        return kind, re.compile(pattern)
    except re.error as error:
        raise ValueError(f"redaction rule {kind!r}: {pattern!r} is no regular expression: {error}") from error


def _find(text: str, labels: frozenset[str], extra: ExtraRules = ()) -> list[Hit]:
    """What all finders find, in order of precedence."""
    finders, late = _pick_finders(labels)
    hits = [hit for find in finders for hit in find(text, labels)]
    if extra:
        hits += _find_extra(text, extra)
    for find in late:
        hits += find(text, labels)
    return hits


def _find_escaped(text: str, labels: frozenset[str]) -> Iterator[Hit]:
    """What is found in the text that one with escapes stands for."""
    plain = read_escapes(text, labels & ESCAPE_LABELS)
    if plain is None:
        return
    for start, end, kind in _find(plain.text, build_gate().list_open(plain.text) - ESCAPE_LABELS):
        yield *plain.locate(start, end), kind


@cache
def _pick_finders(labels: frozenset[str]) -> tuple[tuple[Finder, ...], tuple[Finder, ...]]:
    """The finders that can find anything, in order of precedence: those of secrets, those of names."""
    secrets: list[Finder] = [] if labels <= _NO_KEYS else [find_keys]
    for known, find in (
        (ASSIGNED_LABELS, find_assigned),
        (HEADER_LABELS, find_headers),
        (PHRASE_LABELS, find_phrases),
        (TABLE_LABELS, find_cells),
        (PEM_LABELS, find_key_ends),
        (JWK_LABELS, find_jwk_members),
    ):
        if not labels.isdisjoint(known):
            secrets.append(find)
    names = ((EMAIL_LABELS, find_emails), (HOME_LABELS, find_homes))
    return tuple(secrets), tuple(find for known, find in names if not labels.isdisjoint(known))


def _find_extra(text: str, extra: ExtraRules) -> Iterator[Hit]:
    for kind, pattern in extra:
        for match in pattern.finditer(text):
            start, end = match.span(1 if pattern.groups else 0)
            if end > start >= 0:
                yield start, end, kind


def _drop_overlaps(hits: list[Hit], kept: list[tuple[int, int]]) -> list[Hit]:
    """The hits that touch none of the spans in ``kept``, which are in order."""
    starts = [start for start, _ in kept]

    def is_free(hit: Hit) -> bool:
        before = bisect.bisect_left(starts, hit[1]) - 1
        return before < 0 or kept[before][1] <= hit[0]

    return [hit for hit in hits if is_free(hit)]


def _merge_hits(hits: list[Hit]) -> list[Hit]:
    """Sort by place; hits that overlap become one, of the kind of the first (rules come before names)."""
    end = 0
    for hit in hits:
        if hit[0] < end:
            break
        end = hit[1]
    else:
        return hits
    merged: list[Hit] = []
    for start, end, kind in sorted(hits, key=lambda hit: hit[0]):
        if merged and start < merged[-1][1]:
            first, last, old = merged[-1]
            merged[-1] = (first, max(last, end), old)
        else:
            merged.append((start, end, kind))
    return merged
