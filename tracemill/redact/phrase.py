"""What a phrase is: a secret that only the words around it give away, and what the values of phrases look like."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tracemill.redact.literals import is_pass_phrase, is_sure_password
from tracemill.redact.shapes import is_assigned_password, is_placeholder, is_random, is_url_password

QUOTED = (
    r"(?:\\{0,8}\"([^\"\\\r\n]{4,200}+)(?=\\{0,8}\")\\{0,8}\"|\\{0,8}'((?:[^'\\\r\n]|(?<=\w)''(?=\w)){4,200}+)"
    r"(?=\\{0,8}')\\{0,8}')"
)
VALUE = rf"(?:{QUOTED}|([^\s\"'`\\,;|&<>(){{}}\[\]]{{4,200}}+))"
#: Between words of a file that may stand in JSON.
GAP = r"(?:[ \t\r\n]|\\[nrt]){1,12}"
#: From a command's name to one of its options.
ROOM = r"(?=[ \t])[^\n|;]{0,300}?[ \t]"

_NO_PASSWORD = re.compile(
    r"(?:file|env|fd|stdin|prompt|ask)(?::|$)|--?[a-z]|[/~.]|\d{1,5}(?::\d{1,5})?$", re.IGNORECASE
)
_FIELD = re.compile(
    r"[\w.-]+[:=]|error|usage|[A-Z_]+\Z|[\w-]+\.(?:py|js|ts|json|ya?ml|md|txt|sh|go|rs)\Z", re.IGNORECASE
)
#: ``echo "text" | docker login …``
_SHOWN_WORD = re.compile(r"(?:text|hello|done|start(?:ing)?|login|logging|fail(?:ed)?|success|skip|value)[.!:]*", re.I)
_PLAIN = re.compile(r"[A-Za-z]+[-_.]?\d{0,4}[A-Za-z]?")


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say a secret; upper and lower case are the same.

    * ``label``: its name, unlike any other, but for one that shares the gate of the phrase before.
    * ``gate``: short and cheap; what it matches, every match of ``pattern`` holds. Empty: that of the phrase before.
    * ``pattern``: its last group is the secret, else the whole match.
    * ``accept``: a last look at the secret.
    * ``context``: what the match as a whole holds as well.
    * ``is_line``: ``pattern`` begins with the break before a line; the first line of a text has none, and counts too.
    """

    label: str
    kind: str
    gate: str
    pattern: str
    accept: Callable[[str], bool]
    context: str = ""
    is_line: bool = False


def accept_option(value: str) -> bool:
    """What stands where only a password may stand: all but references, paths, numbers, defaults."""
    return is_url_password("", value) and not _NO_PASSWORD.match(value)


def accept_piped(value: str) -> bool:
    """What a command reads as its password: any one word but those that are shown to people, and pass phrases."""
    if not accept_option(value) or _SHOWN_WORD.fullmatch(value):
        return False
    return " " not in value or is_pass_phrase(value, 2) or is_assigned_password(value, True)


def accept_word(value: str) -> bool:
    """What looks like a password as well."""
    return is_assigned_password(value, True)


def accept_strict(value: str) -> bool:
    """No word with a number behind: where names and sentences may stand as well."""
    return " " not in value and not _PLAIN.fullmatch(value) and is_assigned_password(value, True)


def accept_variable(value: str) -> bool:
    """What a variable of an environment that is called a password has as its value, bare."""
    return is_sure_password(value, True)


def accept_shown(value: str) -> bool:
    """What stands alone on the line below a command that prints a secret: no word of a message, no path, no field."""
    if len(value) < 8 or not accept_option(value) or value[-1] in ":," or ("/" in value and not is_random(value)):
        return False
    return is_random(value) or (not _FIELD.match(value) and is_sure_password(value, True))


def accept_alone(value: str) -> bool:
    """The same where no prompt shows that the line before was run: in a script the next command stands there."""
    return accept_shown(value) and ((len(value) >= 16 and is_random(value)) or accept_strict(value))


def accept_random(value: str) -> bool:
    """Letters and digits without order."""
    return not is_placeholder(value) and is_random(value)


def accept_line(value: str) -> bool:
    """A line of many different characters."""
    return len(set(value)) > 12 and "unique phrase" not in value
