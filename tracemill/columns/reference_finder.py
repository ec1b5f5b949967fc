"""What in a text is a reference: paths, commands, flags, URLs, packages, code identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tracemill.columns.reference_words import (
    CODE_WORDS,
    FILE_ENDINGS,
    KNOWN_COMMANDS,
    PRODUCT_NAMES,
    SHELL_WORDS,
    STANDARD_MODULES,
    SUBCOMMAND_WORDS,
)

ReferenceKind = Literal["path", "command", "flag", "url", "package", "identifier"]


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that a text names, in the form in which it is looked up."""

    kind: ReferenceKind
    value: str


Found = tuple[int, Reference]

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_BACKTICKS = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,200})\1(?!`)")
_URL = re.compile(r"\bhttps?://[^\s<>\"'`)\]}|]+")
_SLASH_PATH = re.compile(
    r"(?<![\w/.@:<+*-])(?:(?:~|\.{1,2})?/(?:[\w.@+*-]{1,100}/)*[\w.@+*-]{0,100}\w"
    r"|@?[\w.+-]{1,100}/(?:[\w.@+*-]{1,100}/)*[\w.@+*-]{0,100}[\w/])"
)
_FILE_NAME = re.compile(rf"(?<![\w/.@-])[\w.-]{{0,120}}\.(?:{FILE_ENDINGS})(?![\w-]|\.\w)")
_ENDS_AS_FILE = re.compile(rf"\.(?:{FILE_ENDINGS})$|/$")
_FLAG = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*\w")
_SHORT_FLAG = re.compile(r"^-[A-Za-z]{1,4}$")
_INSTALL = re.compile(
    r"\b(?:pip3?|uv pip|uv|poetry|npm|pnpm|yarn|bun|cargo|gem|brew|apt|apt-get|conda|go)"
    r" (?:install|add|i|get)((?: +(?:--?[\w-]+(?:=\S+)?|[@\w./\[\],<>=~^-]+))+)"
)
_IMPORT = re.compile(
    r"^\s*(?:from ([\w.]+) import\b|import ([\w.]+))|\brequire\(['\"]([^'\"./][^'\"]*)['\"]\)", re.MULTILINE
)
_SNAKE = re.compile(r"(?<![\w.-])_{0,2}[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+_{0,2}(?![\w])")
_CAMEL = re.compile(r"(?<![\w.])[A-Za-z][A-Za-z0-9]{0,80}?[a-z0-9][A-Z][A-Za-z0-9]{0,80}(?!\w)")
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)*)\(")
_DOTTED = re.compile(r"(?<![\w./@-])[A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)+(?![\w/])")
_DEFINED = re.compile(
    r"\b(?:def|class|function|fn|func|const|let|var|type|struct|interface|as) {1,3}(\w+)"
    r"|\b(\w{1,80}) {0,3}(?::[^=\n]{1,60})?=(?!=)"
)
_WORD = re.compile(r"^[A-Za-z_$][\w$-]*[\w$]$|^[A-Za-z_]$")
_PLACEHOLDER = re.compile(r"[<>{}]|\.\.\.|…|\bpath/to\b|\byour[-_]|\bexample\.(?:com|org)\b")
_SHELL_LANGUAGES = ("bash", "sh", "shell", "console", "zsh", "terminal", "powershell", "")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_MAX_CHARS = 50_000
_MARKS = ".,;:!?\"'()[]"


def find_references(text: str) -> list[Reference]:
    """Every reference in a text (Markdown or plain, its first 50,000 characters), each once, by first occurrence."""
    text = text[:_MAX_CHARS]
    found: list[Found] = []
    rest = text
    for match in _FENCE.finditer(text):
        found += _read_block(match.group(3), match.start(3), match.group(2).lower())
        rest = _blank(rest, match.start(), match.end())
    for match in _BACKTICKS.finditer(rest):
        found += _read_span(match.group(2), match.start(2))
    rest = _BACKTICKS.sub(lambda match: " " * len(match.group()), rest)
    found += _read_prose(rest, 0)
    unique: dict[str, Reference] = {}
    for _, item in sorted(found, key=lambda pair: pair[0]):
        unique.setdefault(item.value, item)
    return list(unique.values())


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


def _read_block(code: str, at: int, language: str) -> Iterator[Found]:
    """A fenced block: commands where it is shell, else imports, paths and calls of what it does not define itself."""
    if language in _SHELL_LANGUAGES:
        offset = at
        for line in code.splitlines(keepends=True):
            command = line.strip().removeprefix("$ ").removeprefix("> ")
            if command and not command.startswith("#") and _is_command(command):
                yield from _read_command(command, offset)
            offset += len(line)
    yield from _read_packages(code, at)
    if language in _SHELL_LANGUAGES:
        return
    yield from ((start, item) for start, item in _read_prose(code, at) if item.kind in ("url", "path"))
    defined = {name for pair in _DEFINED.findall(code) for name in pair if name}
    for match in _CALLED.finditer(code):
        name = match.group(1)
        is_marked = "_" in name.strip("_") or bool(_CAMEL.match(name)) or "." in name
        if is_marked and name.split(".")[0] not in defined | {"self", "this", "cls", "console", "super"}:
            yield at + match.start(), Reference("identifier", name)


def _read_span(span: str, at: int) -> Iterator[Found]:
    """What one pair of backticks holds."""
    text = span.strip()
    if not text or (_PLACEHOLDER.search(text) and " " not in text):
        return
    if _is_command(text):
        yield from _read_command(text, at)
        yield from _read_packages(text, at)
        return
    if " " in text or _URL.match(text):
        yield from _read_packages(text, at)
        yield from _read_prose(text, at)
        return
    yield from _read_token(text.strip(_MARKS if not text.startswith(".") else _MARKS[1:]), at)


def _read_token(token: str, at: int) -> Iterator[Found]:
    """One word in backticks: it is meant as a name, so that it counts unless everyone knows it."""
    if token.startswith("-"):
        flag = token.split("=")[0]
        if flag not in ("--help", "--version", "-h", "-v") and re.fullmatch(r"--?[A-Za-z][\w-]*", flag):
            yield at, Reference("flag", flag)
    elif "/" in token or re.search(rf"^[\w.-]+\.(?:{FILE_ENDINGS})(?::\d+)?$", token):
        yield from _make_path(token, at)
    elif match := re.match(r"@?([A-Za-z_]\w*(?:(?:\.|::|#)[A-Za-z_]\w*)*)(?:\(|<|\[|!|$)", token):
        yield from _make_identifier(match.group(1), at)
    elif _WORD.match(token) or re.fullmatch(r"\.[a-z][\w-]+", token):
        yield from _make_identifier(token, at)


def _read_prose(text: str, at: int) -> Iterator[Found]:
    """Words that look like a reference without backticks: only the ones that can hardly be anything else."""
    for match in _URL.finditer(text):
        value = match.group().rstrip(".,;:!?*_/")
        if not _PLACEHOLDER.search(value):
            yield at + match.start(), Reference("url", value)
    text = _URL.sub(lambda match: " " * len(match.group()), text)
    for match in _SLASH_PATH.finditer(text):
        value = match.group()
        if value[0] in "/.~" or _ENDS_AS_FILE.search(value):
            yield from _make_path(value, at + match.start())
    text = _SLASH_PATH.sub(lambda match: " " * len(match.group()), text)
    for match in _FILE_NAME.finditer(text):
        yield from _make_path(match.group(), at + match.start())
    text = _FILE_NAME.sub(lambda match: " " * len(match.group()), text)
    for match in _FLAG.finditer(text):
        if match.group() not in ("--help", "--version"):
            yield at + match.start(), Reference("flag", match.group())
    for match in _CALLED.finditer(text):
        name = match.group(1)
        if text[match.end() : match.end() + 1] == ")" or "_" in name.strip("_") or "." in name:
            yield from _make_identifier(name, at + match.start())
    for pattern in (_SNAKE, _CAMEL, _DOTTED):
        for match in pattern.finditer(text):
            value = match.group()
            if pattern is not _DOTTED or "_" in value or "::" in value or re.search(r"[a-z][A-Z]", value):
                yield from _make_identifier(value, at + match.start())


def _is_command(text: str) -> bool:
    first, _, rest = text.strip().partition(" ")
    if first == "sudo":
        return _is_command(rest)
    return bool(rest) and (first in SHELL_WORDS or first in SUBCOMMAND_WORDS) and not rest.startswith(("=", "is "))


def _read_command(text: str, at: int) -> Iterator[Found]:
    """A command's first words, its flags and its paths; of a chain each command."""
    for part in re.finditer(r"[^|;&]+", text):
        words = part.group().split()
        while words and (words[0] == "sudo" or re.match(r"^[A-Z_]+=", words[0])):
            words.pop(0)
        if not words:
            continue
        start = at + part.start()
        depth = SUBCOMMAND_WORDS.get(words[0], 1)
        name = " ".join(_take_plain(words[:depth]))
        is_known = name in SHELL_WORDS or name in KNOWN_COMMANDS
        if not is_known and not _PLACEHOLDER.search(name):
            yield start, Reference("command", name)
        for word in words[1:]:
            if "/" in word or re.search(rf"\w\.(?:{FILE_ENDINGS})$", word):
                yield from _make_path(word.strip(_MARKS[1:]), start)
            elif word.startswith("--") or (_SHORT_FLAG.match(word) and not is_known):
                yield from _read_token(word, start)


def _take_plain(words: list[str]) -> Iterator[str]:
    """The words up to the first flag, path, quoted text or assignment."""
    for number, word in enumerate(words):
        if number and not re.fullmatch(r"[A-Za-z][\w:.-]*", word):
            return
        if number and re.search(rf"\.(?:{FILE_ENDINGS})$", word):
            return
        yield word


def _read_packages(text: str, at: int) -> Iterator[Found]:
    for match in _INSTALL.finditer(text):
        for word in match.group(1).split():
            name = re.split(r"[\[=<>~^,]|(?<=.)@", word)[0]
            if not word.startswith("-") and re.fullmatch(r"@?[A-Za-z][\w./-]*", name):
                yield at + match.start(1), Reference("package", name)
    for match in _IMPORT.finditer(text):
        name = next(group for group in match.groups() if group).split(".")[0]
        if name and name not in STANDARD_MODULES:
            yield at + match.start(), Reference("package", name)


def _make_path(raw: str, at: int) -> Iterator[Found]:
    raw = _NOT_ASCII.split(raw)[0]  # where no space stands between a path and Chinese or Japanese text
    value = re.sub(r"(?::\d+(?:[-:]\d+)?|#L?\d+(?:-L?\d+)?)$", "", raw.rstrip(_MARKS + "*"))
    if arity := re.fullmatch(r"([a-z_]\w*[?!]?)/\d", value):  # Elixir: load_messages/1
        yield from _make_identifier(arity.group(1), at)
        return
    while value.startswith("./"):
        value = value[2:]
    value = value if value == "/" else value.rstrip("/")
    is_pattern = bool(_PLACEHOLDER.search(value)) or value.startswith("*") or "://" in value
    if is_pattern or len(value) < 3 or value in PRODUCT_NAMES or re.fullmatch(r"[\d./-]+|/[\w-]", value):
        return
    if re.fullmatch(r"/?[\w.+-]+/[\w.+-]+", value) and re.match(r"(?:application|text|image|audio|video)/", value):
        return  # a media type
    if value in ("/dev/null", "/tmp", "/etc", "/usr", "/bin", "/usr/bin", "/home", "/dev"):
        return
    yield at, Reference("path", value)


def _make_identifier(value: str, at: int) -> Iterator[Found]:
    value = _NOT_ASCII.split(value)[0].rstrip(".:")
    plain = value.strip("_")
    is_known = (
        plain.lower() in CODE_WORDS or plain in SHELL_WORDS or plain in PRODUCT_NAMES or plain in STANDARD_MODULES
    )
    is_short = len(plain) < 3 or (plain.isupper() and plain.isalpha() and len(plain) <= 6)
    if not is_known and not is_short and not _PLACEHOLDER.search(value):
        yield at, Reference("identifier", value)
