"""JSON text as the arguments of calls are: where its strings stand, and when one look at all of it is not enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tracemill.redact.gate import Need
from tracemill.redact.names import HOME_LABELS, SLUG_LABEL

#: The gate's label for a letter or slash that is written as an escape, behind which a secret may hide.
HIDDEN_LABEL = "hidden letter"
#: With a hidden letter too: ``_ODD_JSON`` tells whether it matters.
_HOMES_ALONE = HOME_LABELS | {HIDDEN_LABEL}
#: One string of JSON, and whether it is a key.
JSON_STRING = re.compile(r'"(?P<body>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?P<colon>[ \t\r\n]*+:)?')
#: Writing in which a home directory may end elsewhere than in the string that it stands for: escapes but ``\\n``,
#: ``\\"`` and ``\\\\``, line breaks, paths of Windows; the second: also the name of a project folder at the start of a
#: line, where the gate has seen one.
_ODD_JSON, _ODD_JSON_SLUG = (
    re.compile(rf'[^\\\n]*+(?:\\(?:["\\](?<!sers\\\\)|n{but})[^\\\n]*+)*+(?:[\\\n])') for but in ("", "(?!-)")
)


def list_json_needs() -> Iterator[Need]:
    """What tells that one look at JSON text is not enough."""
    yield Need(HIDDEN_LABEL, r"\\[u/]")


def is_home_plain(text: str, labels: frozenset[str]) -> bool:
    """Whether ``labels`` name home directories alone, which end in the whole text where they end in its strings."""
    odd = _ODD_JSON_SLUG if SLUG_LABEL in labels else _ODD_JSON
    return labels <= _HOMES_ALONE and not odd.match(text)


def is_json(text: str) -> bool:
    """Whether a text is an object, list or string of JSON."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
