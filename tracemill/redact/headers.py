"""Secrets of HTTP headers: ``Authorization`` with any scheme, cookies of sessions.

Names are looked for in lower case, and only those that ``tracemill.redact.gate`` saw with a value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Set

from tracemill.redact.gate import Need
from tracemill.redact.shapes import is_placeholder, is_random, is_uuid

Hit = tuple[int, int, str]

_TOKEN = r"(?P<token>[\w.~+/=-]{16,4000}+)"
_BEARER = re.compile(rf"bearer[ \t]{{1,4}}{_TOKEN}".encode())
_BASIC = re.compile(rb"basic[ \t]{1,4}(?P<token>[a-z0-9+/]{8,400}+={0,2})")
#: ``Authorization: token …``, ``SSWS …``, ``Token token="…"``, whatever the scheme is called.
_SCHEME = re.compile(
    r"authorization[\"'`\\]{0,8}\]?[ \t]{0,3}[:=,][ \t]{0,3}[\"'`\\]{0,8}[a-z][a-z0-9-]{1,24}[ \t]{1,3}"
    rf"(?:token=[\"\\]{{0,4}})?{_TOKEN}".encode()
)
_COOKIE_VALUE = r"[\w.%~+/:-]{16,4000}+"
#: In one word with the name's first letters: a name is looked at backwards.
_COOKIE = re.compile(
    r"(?:sess(?:ion)?(?:[._-]?(?:id|token|data|key))?(?:\.\d)?|connect\.sid|[._-]sid|(?<![a-z])sid)="
    rf"(?P<token>{_COOKIE_VALUE})".encode()
)
#: The same, but written so that the gate is quick.
_COOKIE_GATE = r"(?:sess(?:ion)?(?:[._-]?(?:id|token|data|key))?(?:\.\d)?|sid)=[a-z0-9_.%~+/:?-]{16}"
_HEADS = re.compile(r"[\w.-]{0,40}$")
#: Names of frameworks' session cookies: these are ones wherever they stand.
_SESSION_NAMES = re.compile(
    r"(?:phpsess|jsession|asp\.net_session|laravel_sess|_rails_sess|ci_sess|user_sess|connect\.sid|sessionid=|\.sess"
    r"|next-auth|authjs|__host-|__secure-|better-auth)"
)
HEADER_LABELS = frozenset({"bearer", "basic", "scheme", "cookie"})


def list_header_needs() -> Iterator[Need]:
    """What ``find_headers`` finds nothing without."""
    yield Need("bearer", _BEARER.pattern.decode(), is_caseless=True)
    yield Need("basic", _BASIC.pattern.decode(), is_caseless=True)
    yield Need("scheme", _SCHEME.pattern.decode(), is_caseless=True)
    yield Need("cookie", _COOKIE_GATE, is_caseless=True)


def find_headers(text: str, labels: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of the secrets of those headers that ``labels`` name."""
    folded = text.encode("ascii", "replace").lower()  # one byte a character: places stay
    if "bearer" in labels:
        for start, end in _find_tokens(_BEARER, folded):
            if _is_token(text[start:end]):
                yield start, end, "bearer_token"
    if "basic" in labels:
        for start, end in _find_tokens(_BASIC, folded):
            if _is_basic_auth(text[start:end]):
                yield start, end, "basic_auth"
    if "scheme" in labels:
        for start, end in _find_tokens(_SCHEME, folded):
            if _is_token(text[start:end]) or is_uuid(text[start:end]):
                yield start, end, "authorization"
    if "cookie" in labels:
        for match in _COOKIE.finditer(folded):
            start, end = match.span("token")
            if _is_session(folded, match.start(), start) and _is_cookie(text[start:end]):
                yield start, end, "session_cookie"


def _find_tokens(pattern: re.Pattern[bytes], folded: bytes) -> Iterator[tuple[int, int]]:
    for match in pattern.finditer(folded):
        yield match.span("token")


def _is_token(value: str) -> bool:
    return not is_placeholder(value) and is_random(value)


def _is_cookie(value: str) -> bool:
    body = value.split("%3A", 1)[-1] if value[:4] == "s%3A" else value
    return is_uuid(body) or _is_token(body)


def _is_session(folded: bytes, begin: int, end: int) -> bool:
    """Whether a name is one of a session cookie: by itself, or since a header or option of cookies goes before."""
    head = _HEADS.search(folded[max(0, begin - 40) : begin].decode())
    name = (head[0] if head else "") + folded[begin:end].decode()
    if _SESSION_NAMES.search(name):
        return True
    before = folded[max(0, begin - 800) : begin].rpartition(b"\n")[2]
    return b"cookie" in before or b" -b " in before


def _is_basic_auth(token: str) -> bool:
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    user, colon, password = text.partition(":")
    return bool(colon and user and password) and text.isprintable() and not is_placeholder(password)
