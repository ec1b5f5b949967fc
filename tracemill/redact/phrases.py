"""Secrets that only the words around them give away: options of commands, statements of SQL, calls, lines of netrc.

Each phrase is one expression that is searched for only where ``tracemill.redact.gate`` saw its ``gate``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache, lru_cache

from tracemill.redact.commands import COMMANDS
from tracemill.redact.connections import CONNECTIONS
from tracemill.redact.contexts import CONTEXTS
from tracemill.redact.gate import Need
from tracemill.redact.keys import KEYS
from tracemill.redact.literals import has_stem, list_prose
from tracemill.redact.phrase import (
    GAP,
    QUOTED,
    Phrase,
    accept_line,
    accept_option,
    accept_random,
    accept_strict,
    accept_word,
)
from tracemill.redact.sentences import SENTENCES
from tracemill.redact.settings import SETTINGS
from tracemill.redact.shapes import is_key

Hit = tuple[int, int, str]

_CALLS = (
    r"auth=|\.auth|new PDO|getConnection|DBI->connect|mysqli(?:_connect)?|BasicAuth|Credentials?|createConnection"
    r"|authenticate"
)


def _accept_signing(value: str) -> bool:
    """What signs tokens and cookies: also letters alone where they are no word."""
    return accept_strict(value) or (len(value) >= 12 and accept_word(value))


def _accept_line_word(value: str) -> bool:
    """What stands alone where a file's format wants a password: letters alone too, but no word about passwords."""
    return accept_word(value) or (accept_option(value) and not (has_stem(value) or list_prose(value)))


_STATEMENTS: tuple[Phrase, ...] = (
    Phrase(
        "identified by",
        "password",
        rf"identified{GAP}(?:with|(?:by|as){GAP}(?:password[ \t]{{0,2}})?\(?n?[\\\"'])",
        rf"identified{GAP}(?:with{GAP}[\w'\"]{{1,40}}{GAP})?(?:by|as){GAP}(?:password[ \t]{{0,2}})?\(?n?{QUOTED}",
        accept_option,
    ),
    Phrase(
        "role password",
        "password",
        r"password[ \t]{1,3}(?:=[ \t]{0,2}|for[^\n;]{1,}=[ \t]{0,2})?(?:password\()?n?\\{0,8}[\"']",
        r"(?:(?:create|alter)[ \t]{1,3}(?:user|role|login)[ \t][^\n;]{1,300}?|set[ \t]{1,3}|with[ \t]{1,3})"
        rf"password[ \t]{{1,3}}(?:=[ \t]{{0,2}}|for[^\n;]{{1,80}}?=[ \t]{{0,2}})?(?:password\()?n?{QUOTED}",
        accept_option,
    ),
    Phrase(
        "netrc",
        "password",
        rf"login{GAP}[^\s;]{{1,}}{GAP}password",
        rf"(?:machine{GAP}[^\s;]{{1,200}}|default){GAP}login{GAP}[^\s;]{{1,200}}{GAP}password{GAP}"
        rf"([^\s\"'\\]{{4,200}})",
        _accept_line_word,
    ),
    Phrase(
        "pgpass",
        "password",
        r":(?:5432|5433|6432|\*):[\w.*-]{1,}:[\w.*-]{1,}:",
        r"(?<![\w.*-])[\w.*-]{1,100}:(?:5432|5433|6432|\*):[\w.*-]{1,64}:[\w.*-]{1,64}:([^\s:\"'\\]{4,100})",
        accept_word,
    ),
    Phrase(
        "oracle",
        "password",
        r"(?:oracle:thin:|sqlplus[ \t]|(?:exp|imp)dp[ \t])[^@\n]{1,}/[^@\n]{1,}@",
        r"(?:oracle:thin:|sqlplus[ \t]{1,2}(?:-[SL][ \t]{1,2})?|(?:exp|imp)dp[ \t]{1,2})"
        r"[\w.$-]{1,60}/([^\s/@\"'\\]{4,100})@",
        accept_option,
    ),
    Phrase(
        "auth line",
        "password",
        r"auth[ \t]{1,2}(?:plain[ \t]|login[ \t]|default[ \t])?[\w+/=-]{16}",
        r"(?<![\w-])(?-i:AUTH)[ \t]{1,2}(?:PLAIN[ \t]|LOGIN[ \t]|default[ \t])?([\w+/=-]{16,400})",
        accept_random,
    ),
    Phrase(
        "call",
        "password",
        rf"(?:{_CALLS})\([^()\r\n]{{0,}}[\"'],?[ \t]{{0,2}}\\{{0,8}}"
        r"(?:\"[^\"\\\r\n]{4,}\\{0,8}\"|'[^\\\r\n]{4,}\\{0,8}')[ \t]{0,2}",
        rf"(?:{_CALLS})\([^()\r\n]{{0,200}}?[\"'],?[ \t]{{0,2}}(?<=[ ,]){QUOTED}[ \t]{{0,2}}[,)]",
        accept_strict,
    ),
    Phrase(
        "token signed",
        "secret",
        r"jwt(?:\.|::)(?:sign|verify|encode|decode)\([^\r\n]{1,},(?:\s|\\n){0,}\\{0,}[\"'][^\"'\r\n]{6}",
        rf"jwt(?:\.|::)(?:sign|verify|encode|decode)\((?:\s|\\n){{0,20}}(?:\{{[^{{}}]{{0,300}}\}}|"
        rf"[^,'\"(){{}}]{{1,60}})"
        rf",(?:\s|\\n){{0,20}}b?{QUOTED}",
        _accept_signing,
    ),
    Phrase(
        "cookies signed",
        "secret",
        r"(?:session\((?:\s|\\n){0,}\{[^{}]{0,}secret[ ]{0,}:|cookie_?parser\()(?:\s|\\n){0,}\\{0,}[\"']",
        r"\((?:(?<=session.)(?:\s|\\n){0,8}\{[^{}]{0,300}?(?<!\w)secret[ ]?:|(?<=cookieparser.)|(?<=cookie_parser.))"
        rf"(?:\s|\\n){{0,20}}{QUOTED}",
        _accept_signing,
    ),
    Phrase(
        "fill",
        "password",
        r"(?:fill|type|send_keys|sendkeys|val)\([^()\n]{0,}pass",
        r"(?<![\w$])(?:fill|type|send_keys|sendKeys|val)\([^()\r\n]{0,100}?pass[^()\r\n]{0,40}?,[ \t]{0,2}"
        rf"{QUOTED}",
        accept_strict,
    ),
    Phrase(
        "define",
        "secret",
        r"define\([ \t]{0,}[\"']\w{0,30}(?:_key|_salt)",
        rf"define\([ \t]{{0,2}}[\"']\w{{0,30}}(?:_KEY|_SALT)[\"'][ \t]{{0,2}},[ \t]{{0,24}}{QUOTED}",
        accept_line,
    ),
    Phrase(
        "digest auth",
        "secret",
        r"response=\\{0,8}\"?[0-9a-f]{16}",
        r"Digest [^\r\n]{0,600}?response=\\{0,8}\"?([0-9a-f]{32,64})",
        is_key,
    ),
    Phrase(
        "pat",
        "token",
        r"_pat\\{0,8}[\"']?\]?(?:[ \t]{0,3}|[ ]value)[:=]",
        r"(?<=[A-Za-z0-9])_PAT\\{0,8}[\"']?\]?(?:[ \t]{0,3}|[ ]value)[:=][ \t]{0,3}\\{0,8}[\"']?([\w.+/=~-]{20,400})",
        accept_random,
    ),
)

#: Values with a shape of their own, but without letters at which the sieve could look for them.
_SHAPES: tuple[Phrase, ...] = (
    Phrase(
        "asana",
        "asana_token",
        r"[12]/\d{12}[\d/:]{0,}[0-9a-f]{20}",
        r"(?<![\w/.])[12]/\d{12,20}(?:/\d{12,20})?:[0-9a-f]{32}(?![0-9a-z])",
        is_key,
    ),
    Phrase(
        "mailgun",
        "mailgun_key",
        r"mailgun[^\n]{0,}-[0-9a-f]{8}-[0-9a-f]{8}",
        r"mailgun[^\n]{0,300}?(?<![\w-])([0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8})(?![\w-])",
        is_key,
    ),
    Phrase("mailchimp", "mailchimp_key", r"[0-9a-f]-us\d", r"(?<![\w-])[0-9a-f]{32}-us\d{1,2}(?!\w)", is_key),
    Phrase(
        "salesforce", "salesforce_token", r"00d[a-z0-9]{9,}!", r"(?<!\w)00D[A-Za-z0-9]{9,15}![\w.~-]{60,200}", is_key
    ),
    Phrase("new relic", "newrelic_key", "[0-9a-z]nral", r"(?<!\w)[0-9a-z]{36}NRAL(?!\w)", is_key),
    Phrase(
        "putty",
        "private_key",
        "private-lines:",
        r"Private-Lines: \d{1,3}(?:[\r\n]|\\[rn]){1,4}((?:[A-Za-z0-9+/]{8,64}={0,2}(?:[\r\n]|\\[rn]){1,4}){1,90})",
        lambda value: len(value) > 40,
    ),
)
PHRASES: tuple[Phrase, ...] = (*COMMANDS, *_STATEMENTS, *CONTEXTS, *CONNECTIONS, *SENTENCES, *KEYS, *SETTINGS, *_SHAPES)
PHRASE_LABELS = frozenset(phrase.label for phrase in PHRASES)


def list_phrase_needs() -> Iterator[Need]:
    """What ``find_phrases`` finds nothing without."""
    for phrase in PHRASES:
        if phrase.gate:
            yield Need(phrase.label, phrase.gate, is_caseless=True)


def find_phrases(text: str, labels: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of the secrets of those phrases that ``labels`` name."""
    for phrase in _pick_phrases(PHRASE_LABELS.intersection(labels)):
        pattern, context = _compile_phrase(phrase)
        shift = int(phrase.is_line)
        for match in pattern.finditer("\n" + text if shift else text):
            group = match.lastindex or 0
            if phrase.accept(match[group]) and (context is None or context.search(match[0])):
                start, end = match.span(group)
                yield start - shift, end - shift, phrase.kind


@lru_cache(maxsize=1000)
def _pick_phrases(labels: frozenset[str]) -> tuple[Phrase, ...]:
    return tuple(phrase for phrase in PHRASES if phrase.label in labels)


@cache
def _compile_phrase(phrase: Phrase) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    """A phrase's expressions, when first looked for: all of them take 30 ms."""
    # ASCII: the gate sees a text as ASCII, and no other letter may stand for one of these
    flags = re.IGNORECASE | re.ASCII
    return re.compile(phrase.pattern, flags), re.compile(phrase.context, flags) if phrase.context else None
