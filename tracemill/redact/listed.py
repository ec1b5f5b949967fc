"""Secrets in lists and maps whose name is a plural: ``API_KEYS=…,…``, ``tokens = {"prod": "…"}``, ``secrets:`` of YAML.

Only the first value stands beside the name; the others are looked for item by item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracemill.redact.gate import Need
from tracemill.redact.phrase import accept_strict
from tracemill.redact.shapes import is_assigned_key, is_uuid

Hit = tuple[int, int, str]

_PLURAL = r"(?:(?:api|access|secret|private)[_-]?keys|tokens|secrets|passwords)"
_BLANK = r"(?:\s|\\[nrt])"
#: How the names end: each is looked for by itself, which is ten times as quick as to look for all of them at once.
_ENDS = (b"keys", b"tokens", b"secrets", b"passwords")
_KEYS = re.compile(rb"(?:api|access|secret|private)[_-]?keys")
_HEAD = re.compile(
    rf"(?:\\{{0,8}}[\"'])?\]?[ \t]{{0,4}}(?::[ \t]{{0,2}}[\w<>\[\]., ]{{1,30}}[ \t]{{0,2}}=|[:=])"
    rf"(?:{_BLANK}{{0,8}}(?P<bracket>[\[({{])|[ \t]{{0,4}}\\{{0,8}}[\"']?(?P<bare>(?=[\w+/=~-]{{16,400}}[,;]))"
    r"|[ \t]{0,4}(?=(?:\r?\n|\\n)[ ]{0,24}-[ ]))"
)
#: A name of a map, the value in quotes, what ends an item.
_QUOTED_ITEM = re.compile(
    rf"{_BLANK}{{0,24}}+(?:(?:\\{{0,8}}[\"'])?[\w.@-]{{1,60}}(?:\\{{0,8}}[\"'])?[ ]{{0,4}}(?::|=>?)[ ]{{0,4}})?"
    r"[fbru]?\\{0,8}[\"'](?P<value>[^\s\"'\\]{1,400}+)\\{0,8}[\"'](?P<end>[ ]{0,4},|)"
)
_BARE_ITEM = re.compile(r"(?P<value>[^\s,;\"'\\]{1,400}+)(?P<end>[,;]|)")
_DASHED_ITEM = re.compile(
    r"(?:\r?\n|\\n)[ ]{0,24}-[ ]{1,3}\\{0,8}[\"']?(?P<value>[^\s\"'\\]{1,400}+)\\{0,8}[\"']?[ ]{0,4}(?P<end>"
    r"(?=\r?\n|\\n)|)"
)
_MAX_ITEMS = 200
LISTED_LABEL = "listed keys"


def list_listed_needs() -> Iterator[Need]:
    """What ``find_listed`` finds nothing without."""
    yield Need(
        LISTED_LABEL,
        rf"{_PLURAL}\\{{0,}}[\"']?\]?[ ]{{0,}}[:=][\s\\nr\"']{{0,}}"
        r"(?:[\[({][^\])}]{0,}[\"'][^\s\"']{8}|-[ ]|[\w+/=~-]{16,}[,;][\w+/=~-]{16})",
        is_caseless=True,
    )


def find_listed(text: str) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of the secrets in lists."""
    folded = text.encode("ascii", "replace").lower()  # one byte a character: places stay
    for end in _ENDS:
        place = folded.find(end)
        while place >= 0:
            stop = place + len(end)
            if end != b"keys" or _KEYS.search(folded, max(0, place - 12), stop):
                yield from _find_items(text, stop, end == b"passwords")
            place = folded.find(end, stop)


def _find_items(text: str, place: int, is_password: bool) -> Iterator[Hit]:
    """The secrets of the list whose name ends at ``place``."""
    head = _HEAD.match(text, place)
    if head is None:
        return
    place = head.end()
    form = _QUOTED_ITEM if head["bracket"] else _DASHED_ITEM if head["bare"] is None else _BARE_ITEM
    for _ in range(_MAX_ITEMS):
        item = form.match(text, place)
        if item is None:
            break
        value = item["value"]
        if accept_strict(value) if is_password else _is_listed_key(value):
            yield *item.span("value"), "password" if is_password else "secret"
        if item["end"] == "" and form is not _DASHED_ITEM:
            break
        place = item.end()


def _is_listed_key(value: str) -> bool:
    return len(value) >= 20 and not is_uuid(value) and is_assigned_key(value, True)
