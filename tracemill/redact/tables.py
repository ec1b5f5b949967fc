"""Secrets in the columns of tables: Markdown, CSV, what psql and mysql print, statements of SQL with a column list.

A table's first line names its columns. A cell of a column that is called a password, token or key is a secret where
it looks like one; what is between two cells stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from functools import cache

from tracemill.redact.gate import Need
from tracemill.redact.listed import LISTED_LABEL, find_listed, list_listed_needs
from tracemill.redact.phrase import accept_strict, accept_word
from tracemill.redact.shapes import is_assigned_key, is_uuid

Hit = tuple[int, int, str]
Span = tuple[int, int]
#: Number, kind, and whether accounts stand beside it.
Column = tuple[int, str, bool]
#: Where its rows begin, the names of its columns, what stands between cells (empty for bars).
Table = tuple[int, Sequence[str], str]

_PASSWORD = (
    r"pass(?:word|wd|phrase|code)?|pwd?|kennwort|passwort|mot[ ]de[ ]passe|contrase.a|senha|wachtwoord|has.o|l.senord"
    r"|salasana|adgangskode|passord|parola|heslo"
)
_KEY = (
    r"(?:secret[ _-]?)?access[ _-]?(?:key|token)|(?:api|auth|client|private|signing|master|secret"
    r"|license)[ _-]?key|apikey"
    r"|(?:[a-z]+[ _-])?(?:secret|token)|secret[ _-]?value"
)
_LEAD = r"(?:[a-z0-9]{1,20}[ _.-]){0,2}"
_NAME = re.compile(rf"{_PASSWORD}|secret|token|[a-z][ _-]?key", re.IGNORECASE)
_TAIL = r"(?: ?\([\w -]{1,20}\))?"
_PASSWORD_COLUMN = re.compile(rf"{_LEAD}(?:{_PASSWORD}){_TAIL}", re.IGNORECASE)
_SECRET_COLUMN = re.compile(rf"{_LEAD}(?:{_PASSWORD}|{_KEY}){_TAIL}", re.IGNORECASE)
_AROUND_NAME = re.compile(r"[\"'`*\\\s#]+|^[ \t]*\d{1,6}\u2192|\\t")
_HARMLESS_COLUMN = re.compile(r"(?:next|prev|page|csrf|xsrf|public|max|num|new)[ _.-]", re.IGNORECASE)
#: Beside such a column a password is that of an account.
_ACCOUNT_COLUMN = re.compile(
    r"(?:.*[ _.-])?(?:user(?:[ _-]?name)?|login|e-?mail|account|benutzer(?:name)?|nutzer|utilisateur|usuario|utente"
    r"|konto|host(?:name)?|server|service|system|site|url|env(?:ironment)?|name|id)",
    re.IGNORECASE,
)
_COUNT_COLUMN = re.compile(r"fail(?:ed|ures?)?|skip(?:ped)?|tests?|total|passed", re.IGNORECASE)
_BREAK = r"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)"
_BAR = re.compile("[|\u2502\u2503]")
#: A line of dashes, below the names of columns.
#: One expression a sign: each begins with three characters that are searched for at once.
_RULES = tuple(
    (sign, re.compile(rf"{re.escape(sign)}[-+=|: \t\u2500-\u257f]{{0,2000}}+(?P<end>{_BREAK})"))
    for sign in ("---", "===", ":--:", "|--|", "\u2500" * 3, "\u2501" * 3, "\u2550" * 3)
)
_RULE_HEAD = re.compile("(?:[ \t]{0,8}\\d{1,6}[\u2192\t:])?[-+=|: \t\u2500-\u257f]{0,80}")
_NO_ROW = re.compile("[-+=|: \t\u2500-\u257f]+")
#: Names between commas, without the blanks that code would have.
_DELIMITED = re.compile(
    r"(?:(?<=\n)|(?<=\\n)|(?<=[\"'`])|(?<=\u2192)|\A)\\{0,8}\"?[\w.#-]{1,40}+(?:[ ][\w.()-]{1,20}+){0,3}\\{0,8}\"?"
    r"(?P<sign>[,;\t]|\\t)(?=[\w\"\\])(?:\\{0,8}\"?(?:[\w.()/#-][\w.()/# -]{0,39}+)?+\\{0,8}\"?(?P=sign)){0,40}"
    rf"\\{{0,8}}\"?[\w.()/#-][\w.()/# -]{{0,39}}\\{{0,8}}\"?{_BREAK}"
)
_COPY = re.compile(
    rf"copy [\w.\"\\]{{1,80}} ?\((?P<names>[^()\r\n]{{1,2000}})\) from stdin[^;\n]{{0,40}};{_BREAK}",
    re.IGNORECASE,
)
_SPACE = r"(?:\s|\\[nrt])*+"
_INSERT = re.compile(
    rf"into(?:\s|\\[nrt]){{1,9}}[\w.\"'`\\\[\]]{{1,120}}{_SPACE}\((?P<names>[^"
    rf"()]{{1,2000}}+)\){_SPACE}values?{_SPACE}(?=\()",
    re.IGNORECASE,
)
_QUOTED = (
    r"[NEne]?\\{0,8}'(?P<single>(?:[^'\\\r\n]|''|\\[^'\"nrt])*+)\\{0,8}'|\\{0,8}\"(?P<double>[^\"\\\r\n]*+)\\{0,8}\""
)
_PART = re.compile(rf"{_SPACE}(?:{_QUOTED}|(?:[^,()'\"]|\([^()]{{0,200}}\))++)?+{_SPACE}(?P<sign>[,)])")
_NEXT = re.compile(rf"{_SPACE},{_SPACE}\(")
_LINE = re.compile(rf"(?P<line>(?:[^\\\r\n]++|(?!\\{{1,8}}[nr])\\)*+)(?:{_BREAK}|\Z)")
_NUMBERED = re.compile(r"[ \t]{0,8}\d{1,6}(?:\u2192|\t)")
#: What a row has at least that holds a secret.
_PASSWORD_CHARS, _KEY_CHARS = re.compile(r"[^\s|]{6}"), re.compile(r"[^\s|]{16}")
_MAX_ROWS = 2000
TABLE_LABELS = frozenset({"ruled table", "delimited table", "insert", "copy", LISTED_LABEL})


def list_table_needs() -> Iterator[Need]:
    """What ``find_cells`` finds nothing without."""
    yield from list_listed_needs()
    column = rf"(?:{_PASSWORD}|secret|token|[a-z][ _-]?key)"
    end = r"(?:[ ]\([\w -]{1,}\))?[ \t\"'`*\\]{0,}(?:[|?][^\n]{0,})?\r?(?:\n|\\n)"
    yield Need("ruled table", rf"{column}{end}[^a-z\n]{{0,}}[-=?:|]{{3}}", is_caseless=True)
    sign, letters = r"(?:[,;\t]|\\t)", r"[\w.()/#-][\w.()/# -]{0,}"
    empty, cell = (rf"{sign}\\{{0,}}\"?{text}\\{{0,}}\"?" for text in (f"(?:{letters})?", letters))
    line_end = r"(?:\r|\\{1,}r)?(?:\n|\\{1,}n)"
    yield Need(
        "delimited table",
        rf"{sign}\\{{0,}}\"?(?:[a-z0-9]{{1,}}[ _.-]){{0,2}}[a-z]{{0,}}{column}\\{{0,}}\"?"
        rf"(?:(?:{empty}){{0,}}{cell})?{line_end}",
        is_caseless=True,
    )
    yield Need(
        "delimited table",
        rf"{column}\\{{0,}}\"?{sign}(?:[\\\"]{{1,}}(?:{letters})?|{letters})[\\\"]{{0,}}(?:"
        rf"(?:{empty}){{0,}}{cell})?{line_end}",
        is_caseless=True,
    )
    yield Need("insert", rf"into\s[^()]{{1,}}\([^()]{{0,}}{column}[^()]{{0,}}\)[\snrt\\]{{0,}}values", is_caseless=True)
    yield Need("copy", rf"copy [^()\n]{{1,}}\([^()]{{0,}}{column}[^()]{{0,}}\) from stdin", is_caseless=True)


def find_cells(text: str, labels: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of the secrets in those tables that ``labels`` name."""
    tables: list[Iterator[Table]] = []
    if "ruled table" in labels:
        tables += [_list_ruled(text, rule) for sign, rule in _RULES if sign in text]
    if "delimited table" in labels:
        tables.append(_list_delimited(text))
    if "copy" in labels:
        tables.append((match.end(), match["names"].split(","), "\t") for match in _COPY.finditer(text))
    for found in tables:
        floor = 0
        for place, names, sign in found:
            if place >= floor:  # what looks like a table's head may be one of its rows
                hits, floor = _find_in_rows(text, place, names, sign)
                yield from hits
    if LISTED_LABEL in labels:
        yield from find_listed(text)
    if "insert" in labels:
        for match in _INSERT.finditer(text):
            yield from _find_in_tuples(text, match.end(), match["names"].split(","))


def _list_ruled(text: str, rule: re.Pattern[str]) -> Iterator[Table]:
    """The tables whose names of columns stand in the line before one of dashes."""
    for match in rule.finditer(text):
        begin = _find_line_start(text, match.start())
        if begin and _RULE_HEAD.fullmatch(text, begin, match.start()):
            stop = begin - (1 if text[begin - 1] == "\n" else 2)
            head = _find_line_start(text, stop)
            if _NAME.search(text, head, stop):
                yield match.end(), [text[first:last] for first, last in _split_ruled(text, head, stop)], ""


def _list_delimited(text: str) -> Iterator[Table]:
    for match in _DELIMITED.finditer(text):
        line = _LINE.match(text, match.start())
        yield match.end(), line["line"].split(match["sign"]) if line else [], match["sign"]


def _find_line_start(text: str, end: int) -> int:
    floor = max(0, end - 2000)
    line, escape = text.rfind("\n", floor, end), text.rfind("\\n", floor, end)
    return max(floor, line + 1, escape + 2 if escape >= 0 else 0)


def _find_in_rows(text: str, place: int, names: Sequence[str], sign: str) -> tuple[list[Hit], int]:
    """The secrets of the rows from ``place`` on, and where these end."""
    hits: list[Hit] = []
    columns = list(_pick_columns(names))
    may_hold = _PASSWORD_CHARS if any(kind == "password" for _, kind, _ in columns) else _KEY_CHARS
    for _ in range(_MAX_ROWS if columns else 0):
        line = _LINE.match(text, place)
        if line is None or not line["line"] or (sign and sign not in line["line"]):
            break
        start, end = line.span("line")
        if may_hold.search(text, start, end):
            cells = list(_split_delimited(text, start, end, sign) if sign else _split_ruled(text, start, end))
            if len(cells) == len(names):
                hits += _judge_cells(text, cells, columns)
            elif sign or not _NO_ROW.fullmatch(line["line"]):
                break
        place = line.end()
    return hits, place


def _find_in_tuples(text: str, place: int, names: Sequence[str]) -> Iterator[Hit]:
    columns = list(_pick_columns(names))
    place += 1
    while columns:
        cells: list[Span] = []
        sign = ","
        while sign == "," and (part := _PART.match(text, place)):
            group = next((name for name in ("single", "double") if part[name] is not None), None)
            cells.append(part.span(group) if group else (place, place))
            place, sign = part.end(), part["sign"]
        if sign == ")" and len(cells) == len(names):
            yield from _judge_cells(text, cells, columns)
        following = _NEXT.match(text, place) if sign == ")" else None
        if following is None:
            return
        place = following.end()


def _pick_columns(names: Sequence[str]) -> Iterator[Column]:
    bare = [_AROUND_NAME.sub(" ", name).strip() for name in names]
    if any(map(_COUNT_COLUMN.fullmatch, bare)):  # "pass" beside "fail"
        return
    secret = [name for name in bare if _SECRET_COLUMN.fullmatch(name) and not _HARMLESS_COLUMN.match(name)]
    is_account = bool(secret) and any(map(_ACCOUNT_COLUMN.fullmatch, bare))
    for number, name in enumerate(bare):
        if name in secret:
            kind = "password" if _PASSWORD_COLUMN.fullmatch(name) else "token" if "oken" in name else "secret"
            yield number, kind, is_account


def _judge_cells(text: str, cells: Sequence[Span], columns: Sequence[Column]) -> Iterator[Hit]:
    for number, kind, is_account in columns:
        start, end = _trim(text, *cells[number])
        value = text[start:end]
        if kind == "password":
            is_secret = " " not in value and (accept_word if is_account else accept_strict)(value)
        else:
            is_secret = is_uuid(value) or is_assigned_key(value, True)
        if is_secret:
            yield start, end, kind


def _trim(text: str, start: int, end: int) -> Span:
    """A cell without the blanks, quotes and marks around it."""
    while start < end and text[start] in " \t\"'`*\\":
        start += 1
    while start < end and (text[end - 1] in " \t\"'`\\" or text[start:end].endswith("**")):
        end -= 1
    return start, end


def _split_ruled(text: str, start: int, end: int) -> Iterator[Span]:
    """The cells between bars; bars at both ends of a line, and its number, are none."""
    stops = [match.start() for match in _BAR.finditer(text, start, end)]
    if numbered := _NUMBERED.match(text, start, end):
        start = numbered.end()
    if stops and not text[start : stops[0]].strip():
        start = stops.pop(0) + 1
    if stops and not text[stops[-1] + 1 : end].strip():
        end = stops.pop()
    for stop in (*stops, end):
        yield start, stop
        start = stop + 1


def _split_delimited(text: str, start: int, end: int, sign: str) -> Iterator[Span]:
    """The cells between commas or the like; within quotes these are part of a cell."""
    if sign[-1] not in "\tt" and (numbered := _NUMBERED.match(text, start, end)):
        start = numbered.end()
    cell = _compile_cell(sign)
    while match := cell.match(text, start, end):
        yield match.span()
        if match.end() >= end:
            return
        start = match.end() + len(sign)


@cache
def _compile_cell(sign: str) -> re.Pattern[str]:
    stop = re.escape(sign)
    return re.compile(rf"(?:\\{{0,8}}\"(?:[^\"\\]|\"\")*+\\{{0,8}}\"|(?:(?!{stop}).)*+)(?={stop}|\Z)")
