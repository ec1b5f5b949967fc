"""Passwords that sentences tell: ``the passphrase is …``, ``I set it to …``, ``pw for the bastion = …``.

What a sentence tells has to look like a password, since the next word may stand there as well.
"""

from __future__ import annotations

import re

from tracemill.redact.literals import is_pass_phrase
from tracemill.redact.phrase import Phrase, accept_random, accept_strict
from tracemill.redact.shapes import is_spoken_password

#: The gate looks for it at once; for the shorter names it takes ten times as long.
_PASS = r"pass(?:word|wd|[ ]?phrase|code)"
_BREAK = r"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)"
_QUOTED = r"\\{0,8}(?P<quote>[\"'`])([^\s\"'`\\]{6,100})\\{0,8}(?P=quote)"
_WORD = r"([^\s\"'`\\,;|<>(){}\[\]]{7,99}[^\s\"'`\\,;:|<>(){}\[\].])(?![\w(\[])"
_QUESTION = (
    rf"(?<![\w-]){_PASS}[^\r\n?\\]{{0,80}}\?{_BREAK}{{1,2}}"
    r"[^\r\n?\\]{0,60}?(?:\bto|\bis|\bit['\u2019]s|:)[ \t]{1,2}"
)
#: ``Copper-Lagoon77``: no name in code has capitals, dashes and a number so.
_TITLE_WORDS = re.compile(r"[A-Z][a-z]{2,15}(?:[._-][A-Z]?[a-z]{2,15}){1,3}\d{1,6}[!?]?")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,12}")
_PATH = re.compile(r"/|\.[a-z]{2,4}$")
_HYPHENATED = re.compile(r"[a-z]{3,12}(?:-[a-z]{3,12}){3,6}|[a-z]{3,12}(?:-[a-z0-9]{2,12}){2,6}")


def _accept_told(value: str) -> bool:
    """What looks like a password and like no address, to which one may be sent."""
    return bool(_TITLE_WORDS.fullmatch(value)) or (is_spoken_password(value) and not _ADDRESS.fullmatch(value))


def _accept_quoted(value: str) -> bool:
    """What looks like a password and like no path, which quotes hold as well."""
    return accept_strict(value) and not _PATH.search(value) and not _ADDRESS.fullmatch(value)


def _accept_chain(value: str) -> bool:
    """Four words joined by dashes, or three with a number among them."""
    if not _HYPHENATED.fullmatch(value) or not is_pass_phrase(value):
        return False
    return value.count("-") >= (2 if any(map(str.isdigit, value)) else 3)


def _accept_printed(value: str) -> bool:
    return _accept_told(value) or (len(value) >= 16 and accept_random(value))


SENTENCES: tuple[Phrase, ...] = (
    Phrase(
        "told chain",
        "password",
        r"(?:password|phrase|passcode)(?:[ \t](?:for|of|on|to)[ \t][\w.@ \t-]{1,})?[ \t]is:?[ \t]{1,2}"
        r"[a-z]{3,}-[a-z0-9]{2,}-",
        r"(?<![\w-])pass(?:word|[ ]?phrase|code)(?:[ \t](?:for|of|on|to)(?:[ \t][\w.@-]{1,20}){1,4}?)?[ \t]is:?"
        r"[ \t]{1,2}([a-z]{3,12}(?:-[a-z0-9]{2,12}){2,6})(?![\w-])(?=[.,;!)\s\\\"']|\Z)",
        _accept_chain,
    ),
    Phrase(
        "told after a sign",
        "password",
        rf"(?:{_PASS}|[^\w-]pwd?)[ \t](?:for|of|on|to)[ \t][\w.@ \t\"'`*-]{{1,}}[=:][ \t]{{0,}}[\"'`*]{{0,3}}"
        rf"[^\s\"'`]{{8}}",
        rf"(?:(?<![\w-]){_PASS}|(?<=[^\w-])pwd?)[ \t](?:for|of|on|to)(?:[ \t][\"'`*]{{0,2}}[\w.@-]{{1,30}}"
        rf"[\"'`*]{{0,2}}){{1,5}}?"
        rf"[ \t]?[=:]"
        rf"[ \t]{{0,2}}[\"'`*]{{0,3}}{_WORD}",
        _accept_told,
    ),
    Phrase(
        "set to",
        "password",
        rf"{_PASS}(?:[ \t][\w.@-]{{1,}}){{0,}}[ \t](?:to|with):?[ \t]{{1,}}"
        rf"(?:\\{{0,}}[\"'`]|[^\s\"'`]{{0,}}[0-9!@#$%^&*?+=~])",
        rf"(?<![\w-]){_PASS}(?:[ \t][\w.@-]{{1,20}}){{0,4}}?[ \t](?:to|with):?[ \t]{{1,2}}{_QUOTED}",
        _accept_quoted,
    ),
    Phrase(
        "set to",
        "password",
        "",
        rf"(?<![\w-]){_PASS}(?:[ \t][\w.@-]{{1,20}}){{0,4}}?[ \t]to:?[ \t]{{1,2}}{_WORD}",
        _accept_told,
    ),
    Phrase(
        "answer",
        "password",
        rf"{_PASS}[^\r\n\\]{{0,}}\?{_BREAK}{{1,}}[^\r\n]{{0,}}(?:to|is|it.s|:)[ \t]{{1,}}",
        rf"{_QUESTION}{_QUOTED}",
        _accept_quoted,
    ),
    Phrase(
        "answer",
        "password",
        "",
        rf"{_QUESTION}{_WORD}",
        _accept_told,
    ),
    Phrase(
        "in brackets",
        "password",
        rf"{_PASS}[ \t]\(\\{{0,}}[\"'`]?[^\s()]{{6,}}\)",
        rf"(?<![\w-]){_PASS}[ \t]\(\\{{0,8}}[\"'`]?([^\s()\"'`\\]{{6,60}})\\{{0,8}}[\"'`]?\)",
        _accept_told,
    ),
    Phrase(
        "before brackets",
        "password",
        rf"[^\s()]{{6}}[\"'`]?[ \t]\((?:the[ ])?{_PASS}\)",
        rf"(?<![^\s\"'`(\\])([^\s()\"'`\\]{{6,60}})\\{{0,8}}[\"'`]?[ \t]\((?:the[ ])?{_PASS}\)",
        _accept_told,
    ),
    Phrase(
        "printed below",
        "password",
        rf"(?:password|passphrase)[^\r\n\\]{{0,}}:{_BREAK}{{1,}}[ \t]{{0,}}[^\s\"'`\\]{{8}}",
        rf"pass(?:word|phrase)[^\r\n\\]{{0,100}}:{_BREAK}{{1,3}}[ \t]{{0,8}}([^\s\"'`\\|<>{{}}()\[\]:=]{{8,200}})"
        rf"(?=[ \t]{{0,4}}(?:{_BREAK}|\\{{0,8}}[\"'`]|\Z))",
        _accept_printed,
    ),
    Phrase(
        "typed into a field",
        "password",
        r"type=\\{0,}[\"']?password\\{0,}[\"']?\]?\\{0,}[\"'],[\s\\n]{0,}\\{0,}[\"'](?:value|text)\\{0,}[\"']",
        r"type=\\{0,8}[\"']?password\\{0,8}[\"']?\]?\\{0,8}[\"'],(?:\s|\\n){0,12}\\{0,8}[\"'](?:value|text)\\{0,8}[\"']"
        r"[ ]{0,2}:[ ]{0,2}\\{0,8}[\"']([^\"'\\\r\n]{4,100})",
        accept_strict,
    ),
)
