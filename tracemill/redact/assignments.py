"""Secrets that only their name gives away: ``API_KEY=…``, ``"password": "…"``, ``Authorization: Bearer …``.

Names are looked for in lower case, and only those that ``tracemill.redact.gate`` saw with a value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Set
from functools import cache

from tracemill.redact.gate import Need
from tracemill.redact.shapes import is_assigned_key, is_assigned_password, is_placeholder, is_random

Hit = tuple[int, int, str]

#: Words before ``token``, ``key`` … that make a name harmless: ``next_token``, ``pad_token``, ``public_key``.
_HARMLESS_BEFORE = re.compile(
    r"(?:next|prev|previous|page|nextpage|pad|eos|bos|unk|sep|cls|mask|stop|continuation|start|end|cache|primary|foreign"
    r"|public|pub|publickey|sort|partition|idempotency|object|sync|resume|cursor|publishable|max|num|input|output|by|com|tres|sur)"
    r"[_.-]?$"
)
#: What makes a name harmless when it follows: ``token_type``, ``password_hash``, ``secret_name``.
_HARMLESS_AFTER = re.compile(
    r"(?:^|[_.-])(?:id|name|type|count|ur[il]|file|path|hash|sha\d*|digest|fingerprint|length|len|size|limit|field|label"
    r"|hint|env|var|regex|pattern|expiry|expires|usage|ref|arn|version|algorithm|alg|format|prefix|suffix|index|manager"
    r"|provider|policy|source|endpoint|status|budget|ize|izer)s?$"
    r"|^(?:thr|port|ed|ing|ive|age|enger|ion)"
)
#: A name that ends in ``key`` is a secret's only after one of these.
_KEY_BEFORE = re.compile(
    r"(?:api|access|secret|private|auth|account|encryption|encrypt|signing|master|service|license|deploy|shared|app"
    r"|application|client|consumer|subscription|webhook|storage|jwt|session|admin|global|token)[_.-]?$"
)
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
_QUOTE = r"\\{0,8}[\"'`]"
_BLANK = r"(?:[ \t]|\\t)"
_SEPARATOR = (
    rf"(?:{_QUOTE}\]?)?{_BLANK}{{0,4}}"
    r"(?::[ \t]{0,2}[\w|.]{1,24}[ \t]{0,2}=|:=|={1,3}>?|:|>(?=[^<>\s]{6,200}</))"
    rf"{_BLANK}{{0,8}}"
)
#: In quotes a value reaches to the closing one of the same sort; bare to white space, quote, comma, bracket. ``&`` is
#: part of a bare one at first: ``_cut_query`` tells where it ends it.
_BARE = r"[^\s\"'`\\,;&|<>(){}\[\]]"
_TAIL = rf"(?:&(?!&){_BARE}{{0,200}}+){{1,20}}+"
_PLAIN_QUOTED = "|".join(rf"{q}(?P<q{n}>(?:[^\\\r\n{q}]|\\[^\r\n]){{6,1000}}+)(?={q}|\Z)" for n, q in enumerate("\"'`"))
_ESCAPED_QUOTED = rf"\\{{1,8}}[\"'`](?P<q3>[^\"'`\\\r\n]{{6,1000}}+)(?={_QUOTE}|\Z)"
_VALUE = (
    rf"(?:[brfu]{{0,2}}(?:{_PLAIN_QUOTED}|{_ESCAPED_QUOTED})"
    rf"|(?P<bare>{_BARE}{{6,1000}}+(?![(\[{{])(?:{_TAIL})?+|{_BARE}{{1,5}}+{_TAIL}))"
)
_QUERY_HEAD = re.compile(r"[?&][\w.%-]{0,80}$")
_QUERY_NEXT = re.compile(r"&(?:amp;)?[\w.%\[\]-]{1,60}=")
#: What stands before the pattern's first character, the word from that character on (the rarest one), the kind.
_NAMES: tuple[tuple[str, str, str], ...] = (
    ("", r"pass(?:word|wd|phrase|code)?", "password"),
    ("p", r"w(?<=pw)d", "password"),
    ("", r"secret", "secret"),
    ("to", r"k(?<=tok)en", "token"),
    ("", r"k(?<=[a-z0-9_.-]k)ey", "api_key"),
    ("", r"auth(?:orization)?(?=[\"'\\ =:,])", "secret"),
)
_WORDS = ("pass", "pwd", "secret", "token", "key", "auth")
#: The labels of ``list_assigned_needs``.
ASSIGNED_LABELS = frozenset({*_WORDS, "bearer", "basic"})
_BEARER = re.compile(rb"bearer[ \t]{1,4}(?P<token>[\w.~+/=-]{16,4000}+)")
_BASIC = re.compile(rb"basic[ \t]{1,4}(?P<token>[a-z0-9+/]{8,400}+={0,2})")


def list_assigned_needs() -> Iterator[Need]:
    """What ``find_assigned`` finds nothing without: a name with its value, under the name's word; the two headers."""
    for word, lead, pattern, kind in _compile_names():
        head = _KEY_BEFORE.pattern.removesuffix("$") if kind == "api_key" else lead
        yield Need(word, head + pattern.pattern.decode(), is_caseless=True)
    yield Need("bearer", _BEARER.pattern.decode(), is_caseless=True)
    yield Need("basic", _BASIC.pattern.decode(), is_caseless=True)


def find_assigned(text: str, words: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of every value that is assigned to a secret's name, and of authorization headers.

    ``words``: the labels of ``list_assigned_needs`` that are looked for.
    """
    folded = text.encode("ascii", "replace").lower()  # one byte a character: places stay, and it is fast
    for word, lead, pattern, kind in _compile_names():
        if word in words:
            place = 0
            while match := pattern.search(folded, place):
                hit = _judge_assignment(text, match, lead, kind)
                # what is no secret may hold one: {"token": "X_TOKEN=…"}
                place = hit[1] if hit else match.start(match.lastgroup or 0)
                if hit:
                    yield hit
    if "bearer" in words and b"bearer " in folded:
        for match in _BEARER.finditer(folded):
            token = text[slice(*match.span("token"))]
            if not is_placeholder(token) and is_random(token):
                yield *match.span("token"), "bearer_token"
    if "basic" in words and b"basic " in folded:
        for match in _BASIC.finditer(folded):
            if _is_basic_auth(text[slice(*match.span("token"))]):
                yield *match.span("token"), "basic_auth"


def is_secret_name(name: str) -> bool:
    """Whether a key of an object has one of the words of a secret's name."""
    folded = name.lower()
    return any(word in folded for word in _WORDS)


@cache
def _compile_names() -> tuple[tuple[str, str, re.Pattern[bytes], str], ...]:
    compiled: list[tuple[str, str, re.Pattern[bytes], str]] = []
    for word, (lead, name, kind) in zip(_WORDS, _NAMES, strict=True):
        spoken = r"|[ \t]is:?[ \t]{1,2}" if kind == "password" else ""
        after = r"(?P<after>[\w.-]{0,40}?)"
        pattern = rf"{name}{after}(?:{_SEPARATOR}{spoken}|(?P<space>[ \t]{{1,2}})){_VALUE}"
        compiled.append((word, lead, re.compile(pattern.encode()), kind))
    return tuple(compiled)


def _judge_assignment(text: str, match: re.Match[bytes], lead: str, kind: str) -> Hit | None:
    begin = match.start() - len(lead)
    head = text[max(0, begin - 40) : begin]
    before = head[len(head.rstrip(_NAME_LETTERS)) :]
    if match["space"] and not before.startswith("--"):
        return None
    folded_before, after = before.lower(), match["after"].decode()
    if _HARMLESS_BEFORE.search(folded_before) or _HARMLESS_AFTER.search(after):
        return None
    if kind == "api_key" and not _KEY_BEFORE.search(folded_before):
        return None
    is_quoted = match["bare"] is None
    start, end = match.span(match.lastgroup or 0)
    value = text[start:end]
    if not is_quoted:
        value = _cut_query(text, start, end, begin, kind).rstrip(".:&")
    elif (kind != "password" and any(letter.isspace() for letter in value)) or (end == len(text) and " " in value):
        return None
    accept = is_assigned_password if kind == "password" else is_assigned_key
    if value and accept(value, is_quoted):
        is_aws = kind == "secret" and after.replace("_", "") == "accesskey"
        return start, start + len(value), "aws_secret_key" if is_aws else kind
    return None


def _cut_query(text: str, start: int, end: int, begin: int, kind: str) -> str:
    """A bare value up to the ``&`` that ends it: any in a URL's query and in keys, else one before ``name=``."""
    value = text[start:end]
    if "&" not in value:
        return value
    if kind != "password" or _QUERY_HEAD.search(text[max(0, begin - 80) : begin]):
        return value[: value.index("&")]
    following = _QUERY_NEXT.search(text, start, end)
    return value[: following.start() - start] if following else value


def _is_basic_auth(token: str) -> bool:
    try:
        text = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    user, colon, password = text.partition(":")
    return bool(colon and user and password) and text.isprintable() and not is_placeholder(password)
