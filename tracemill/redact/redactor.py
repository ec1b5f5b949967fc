"""Secrets and people's names become typed placeholders; the same value gets the same placeholder everywhere.

A secret becomes ``[REDACTED_GITHUB_TOKEN_3f9a2c]``, the name in a home directory ``user_3f9a2c``, so that a path stays
a path. Brackets, capitals and underscores survive JSON, Jinja, XML-like fences, Markdown and shells. What is a
placeholder already is never touched: redacting twice changes nothing.
"""

from __future__ import annotations

import bisect
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from tracemill.redact.assignments import find_assigned, is_secret_name
from tracemill.redact.names import find_emails, find_homes
from tracemill.redact.sieve import find_keys
from tracemill.trace import Message, ToolCall, Trace

#: Fixed, so that partitions, resumed and repeated runs agree on placeholders; no secret.
DEFAULT_SALT = b"tracemill"

_MIN_CHARS = 6
_MAX_PASSES = 4
_PLACEHOLDER = re.compile(r"\[REDACTED_[A-Z0-9_]{1,40}_[0-9a-f]{6}\]")
_JSON_STRING = re.compile(r'"(?P<body>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?P<colon>[ \t\r\n]*+:)?')
_KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
#: Fields of a ``Trace`` that hold no text of the trace.
_PLAIN_FIELDS = frozenset({"source_kind", "messages", "started_at", "ended_at", "dropped", "redacted"})

Counts = dict[str, int]


class LossLike(Protocol):
    """A ``tracemill.ingest.source.Loss``, which this layer lies below and does not import."""

    @property
    def path(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def content(self) -> str: ...


AnyLoss = TypeVar("AnyLoss", bound=LossLike)
AnyValue = TypeVar("AnyValue")


class Redactor:
    """Redacts texts, values and traces. It holds no state: one instance serves any number of threads and files.

    ``extra``: further rules as ``(kind, regular expression)``; group 1 is replaced, or the whole match.
    ``salt``: keys the hash in the placeholders. The default is a constant, so anyone who guesses a value can check the
    guess against its placeholder (24 bits: one wrong guess in 16.7 million passes too); for a secret of high entropy
    that is harmless, for a user name or an e-mail address it confirms a guess. A salt of your own, kept to yourself,
    prevents it, and then placeholders agree only among runs with that salt.

    Raises: ``ValueError`` on an extra rule whose kind is not snake_case or whose expression does not compile.
    """

    def __init__(self, extra: Sequence[tuple[str, str]] = (), salt: bytes | None = None) -> None:
        self._extra = tuple(_compile_extra(kind, pattern) for kind, pattern in extra)
        self._key = hashlib.blake2b(DEFAULT_SALT if salt is None else salt, digest_size=32).digest()

    def redact_text(self, text: str) -> str:
        """The text with placeholders; the same object where there was nothing to replace."""
        return self._redact(text, {})

    def redact_value(self, value: AnyValue) -> AnyValue:
        """A JSON-like value of the same shape, keys and texts redacted; the same object where nothing was replaced."""
        return cast(AnyValue, self._redact_value(value, {}))

    def redact_trace(self, trace: Trace) -> Trace:
        """The trace with placeholders in all its fields, and their number by kind added to ``redacted``."""
        counts: Counts = {}
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(trace):
            old = getattr(trace, field.name)
            if field.name not in _PLAIN_FIELDS and (new := self._redact_value(old, counts)) is not old:
                changes[field.name] = new
        messages = tuple(self._redact_message(message, counts) for message in trace.messages)
        if not counts:
            return trace
        total = {kind: trace.redacted.get(kind, 0) + counts.get(kind, 0) for kind in {*trace.redacted, *counts}}
        return dataclasses.replace(trace, messages=messages, redacted=dict(sorted(total.items())), **changes)

    def redact_loss(self, loss: AnyLoss) -> AnyLoss:
        """The loss with placeholders in its path, detail and content."""
        path, detail, content = (self.redact_text(text) for text in (loss.path, loss.detail, loss.content))
        if (path, detail, content) == (loss.path, loss.detail, loss.content):
            return loss
        return cast(AnyLoss, dataclasses.replace(cast(Any, loss), path=path, detail=detail, content=content))

    def _redact_message(self, message: Message, counts: Counts) -> Message:
        content = self._redact_value(message.content, counts)
        reasoning = self._redact_value(message.reasoning_content, counts)
        calls = tuple(self._redact_call(call, counts) for call in message.tool_calls)
        model = self._redact_value(message.model, counts)
        is_same = content is message.content and reasoning is message.reasoning_content and model is message.model
        if is_same and all(new is old for new, old in zip(calls, message.tool_calls, strict=True)):
            return message
        return dataclasses.replace(message, content=content, reasoning_content=reasoning, tool_calls=calls, model=model)

    def _redact_call(self, call: ToolCall, counts: Counts) -> ToolCall:
        arguments = self._redact_arguments(call.arguments, counts)
        return call if arguments is call.arguments else dataclasses.replace(call, arguments=arguments)

    def _redact_arguments(self, text: str, counts: Counts) -> str:
        """Redact JSON text string by string, so that it stays valid and all else in it stays as it was written."""
        found: Counts = {}
        redacted = self._redact(text, found)
        if (redacted is text and "\\u" not in text and "\\/" not in text) or not _is_json(text):
            _add_counts(counts, found)
            return redacted
        key = ""

        def replace(match: re.Match[str]) -> str:
            nonlocal key
            literal = f'"{match["body"]}"'
            value: str = json.loads(literal)
            new = self._redact_named(key, value, counts)
            key = value if match["colon"] else ""
            if new is value:
                return match[0]
            return json.dumps(new, ensure_ascii=literal.isascii()) + (match["colon"] or "")

        redacted = _JSON_STRING.sub(replace, text)
        return text if redacted == text else redacted

    def _redact_value(self, value: Any, counts: Counts, name: str = "") -> Any:
        if isinstance(value, str):
            return self._redact_named(name, value, counts)
        if isinstance(value, Mapping):
            items = cast("Mapping[Any, Any]", value)
            pairs = [
                (self._redact_value(key, counts), self._redact_value(items[key], counts, str(key))) for key in items
            ]
            same = all(old is key and items[old] is new for old, (key, new) in zip(items, pairs, strict=True))
            return items if same else dict(pairs)
        if isinstance(value, list | tuple):
            entries = cast("list[Any] | tuple[Any, ...]", value)
            changed = [self._redact_value(entry, counts) for entry in entries]
            if all(new is old for new, old in zip(changed, entries, strict=True)):
                return entries
            return tuple(changed) if isinstance(value, tuple) else changed
        return value

    def _redact_named(self, name: str, text: str, counts: Counts) -> str:
        """Redact a text that is the value of ``name`` in an object: ``{"password": "…"}``."""
        redacted = self._redact(text, counts)
        if redacted is not text or not name or len(text) > 1000 or not is_secret_name(name):
            return redacted
        head = f'"{name}": "'
        for start, end, kind in find_assigned(f'{head}{text}"'):
            if start == len(head) and end == start + len(text):
                counts[kind] = counts.get(kind, 0) + 1
                return self._build_placeholder(text, kind)
        return text

    def _redact(self, text: str, counts: Counts) -> str:
        if len(text) < _MIN_CHARS:
            return text
        for _ in range(_MAX_PASSES):
            hits = self._find_hits(text)
            if not hits:
                return text
            pieces: list[str] = []
            done = 0
            for start, end, kind in hits:
                pieces += (text[done:start], self._build_placeholder(text[start:end], kind))
                counts[kind] = counts.get(kind, 0) + 1
                done = end
            text = "".join((*pieces, text[done:]))
            if all(kind == "home" for _, _, kind in hits):
                return text
        return text

    def _find_hits(self, text: str) -> list[tuple[int, int, str]]:
        hits = [*find_keys(text), *find_assigned(text), *self._find_extra(text), *find_emails(text), *find_homes(text)]
        if not hits:
            return hits
        if "[REDACTED_" in text:
            hits = _drop_overlaps(hits, [match.span() for match in _PLACEHOLDER.finditer(text)])
        return _merge_hits(hits)

    def _find_extra(self, text: str) -> Iterator[tuple[int, int, str]]:
        for kind, pattern in self._extra:
            for match in pattern.finditer(text):
                start, end = match.span(1 if pattern.groups else 0)
                if end > start >= 0:
                    yield start, end, kind

    def _build_placeholder(self, value: str, kind: str) -> str:
        mark = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=3, key=self._key).hexdigest()
        return f"user_{mark}" if kind == "home" else f"[REDACTED_{kind.upper()}_{mark}]"


def _drop_overlaps(hits: list[tuple[int, int, str]], kept: list[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """The hits that touch none of the spans in ``kept``, which are in order."""
    starts = [start for start, _ in kept]

    def is_free(hit: tuple[int, int, str]) -> bool:
        before = bisect.bisect_left(starts, hit[1]) - 1
        return before < 0 or kept[before][1] <= hit[0]

    return [hit for hit in hits if is_free(hit)]


def _merge_hits(hits: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Sort by place; hits that overlap become one, of the kind of the first (rules come before names)."""
    merged: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(hits, key=lambda hit: hit[0]):
        if merged and start < merged[-1][1]:
            first, last, old = merged[-1]
            merged[-1] = (first, max(last, end), old)
        else:
            merged.append((start, end, kind))
    return merged


def _compile_extra(kind: str, pattern: str) -> tuple[str, re.Pattern[str]]:
    if not _KIND.fullmatch(kind):
        raise ValueError(f"redaction rule {kind!r}: a kind is snake_case, such as 'employee_id'")
    try:
        return kind, re.compile(pattern)
    except re.error as error:
        raise ValueError(f"redaction rule {kind!r}: {pattern!r} is no regular expression: {error}") from error


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _add_counts(counts: Counts, found: Counts) -> None:
    for kind, number in found.items():
        counts[kind] = counts.get(kind, 0) + number
