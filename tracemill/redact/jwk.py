"""The private members of JSON Web Keys: ``d``, ``p``, ``q``, ``dp``, ``dq``, ``qi`` and ``k`` beside a ``kty``.

Source: RFC 7517 and RFC 7518.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from tracemill.redact.gate import Need
from tracemill.redact.phrase import accept_random

Hit = tuple[int, int, str]

_MEMBER = re.compile(
    r"(?:[\"']|(?<=[\s{,]))(?:dp|dq|qi|[dpqk])(?:\\{0,8}[\"'])?[ \t]{0,3}:(?:\s|\\n){0,12}\\{0,8}[\"']"
    r"(?P<value>[\w-]{16,1400}+)(?=\\{0,8}[\"'])",
    re.ASCII,
)
_TYPE = re.compile(r"[\s{,\"'n]kty(?:\\{0,8}[\"'])?[ \t]{0,3}:")
#: How far the braces of a key may be from a member: a key of RSA with 4096 bits has 4000 characters.
_MAX_CHARS = 8000
JWK_LABELS = frozenset({"jwk"})


def list_jwk_needs() -> Iterator[Need]:
    """What ``find_jwk_members`` finds nothing without."""
    yield Need("jwk", r"kty\\{0,}[\"']?[ \t]{0,}:")


def find_jwk_members(text: str, labels: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of the private members of keys."""
    if JWK_LABELS.isdisjoint(labels):
        return
    for match in _MEMBER.finditer(text):
        start, end = match.span("value")
        begin, stop = _find_object(text, start, end)
        if begin >= 0 and _TYPE.search(text, begin, stop) and accept_random(text[start:end]):
            yield start, end, "private_key"


def _find_object(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the object around a member begins (-1: not here) and ends, as far as no other object lies between."""
    begin = text.rfind("{", max(0, start - _MAX_CHARS), start)
    if begin >= 0 and text.find("}", begin, start) >= 0:
        begin = -1
    stops = [place for sign in "{}" if (place := text.find(sign, end, end + _MAX_CHARS)) >= 0]
    return begin, min(stops, default=min(len(text), end + _MAX_CHARS))
