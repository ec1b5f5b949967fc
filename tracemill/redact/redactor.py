"""Secrets and people's names become typed placeholders; the same value gets the same placeholder everywhere.

A secret becomes ``[REDACTED_GITHUB_TOKEN_3f9a2c]``, the name in a home directory ``user_3f9a2c``, so that a path stays
a path. Brackets, capitals and underscores survive JSON, Jinja, XML-like fences, Markdown and shells. What is a
placeholder already is never touched: redacting twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, is_not
from typing import Any, Protocol, TypeVar, cast

from msgspec import structs

from tracemill.redact.assignments import find_assigned, is_secret_name
from tracemill.redact.finding import Hit, build_gate, compile_extra, find_hits
from tracemill.redact.json_text import HIDDEN_LABEL, JSON_STRING, is_home_plain, is_json
from tracemill.redact.phrases import find_phrases
from tracemill.redact.tally import Tally
from tracemill.redact.texts import hash_values, join_texts
from tracemill.trace import Message, ToolCall, Trace

#: Fixed, so that partitions, resumed and repeated runs agree on placeholders; no secret.
DEFAULT_SALT = b"tracemill"

_MIN_CHARS = 6
_MAX_PASSES = 4
_MAX_SHORT_CHARS = 200
#: Fields of a ``Trace`` that hold no text of the trace.
_PLAIN_FIELDS = frozenset({"source_kind", "messages", "started_at", "ended_at", "dropped", "redacted"})
#: Fields with a path, in which the gate mostly sees a home: they would hide that nothing is in the others.
_PATH_FIELDS = ("source_path", "cwd", "project_path")
_TEXT_FIELDS = tuple(name for name in Trace.__struct_fields__ if name not in {*_PLAIN_FIELDS, *_PATH_FIELDS, "tools"})
_get_fields = attrgetter(*_TEXT_FIELDS)
_MOST_CLEAN_TOOLS = 1_000
_MOST_CLEAN_PROMPTS = 100
_MAX_PROMPT_CHARS = 50_000


class LossLike(Protocol):
    """A ``tracemill.ingest.source.Loss``, which this layer lies below and does not import."""

    @property
    def path(self) -> str:
        """The file in which it was lost."""
        ...

    @property
    def detail(self) -> str:
        """What was wrong with it."""
        ...

    @property
    def content(self) -> str:
        """What was lost."""
        ...


AnyLoss = TypeVar("AnyLoss", bound=LossLike)
AnyValue = TypeVar("AnyValue")


class Redactor:
    """Redacts texts, values and traces. It holds nothing of what it saw but tool definitions and
    system prompts without a finding: one instance serves any number of threads and files.

    ``extra``: further rules as ``(kind, regular expression)``; group 1 is replaced, or the whole match.
    ``salt``: keys the hash in the placeholders. The default is a constant, so anyone who guesses a value can check the
    guess against its placeholder (24 bits: one wrong guess in 16.7 million passes too); for a secret of high entropy
    that is harmless, for a user name or an e-mail address it confirms a guess. A salt of your own, kept to yourself,
    prevents it, and then placeholders agree only among runs with that salt.

    Raises: ``ValueError`` on an extra rule whose kind is not snake_case or whose expression does not compile.
    """

    def __init__(self, extra: Sequence[tuple[str, str]] = (), salt: bytes | None = None) -> None:
        self._clean_tools: dict[int, Any] = {}  # held, so that no other object can have the same id
        self._clean_marks: set[bytes] = set()  # of equal tool definitions in other objects
        self._clean_prompts: set[str] = set()
        self._extra = tuple(compile_extra(kind, pattern) for kind, pattern in extra)
        self._key = hashlib.blake2b(DEFAULT_SALT if salt is None else salt, digest_size=32).digest()

    def redact_text(self, text: str) -> str:
        """The text with placeholders; the same object where there was nothing to replace."""
        return self._redact(text, Tally(build_gate().get_look()))

    def redact_value(self, value: AnyValue) -> AnyValue:
        """A JSON-like value of the same shape, keys and texts redacted; the same object where nothing was replaced."""
        return cast(AnyValue, self._redact_value(value, Tally(build_gate().get_look())))

    def redact_trace(self, trace: Trace) -> Trace:
        """The trace with placeholders in all its fields, and their number by kind added to ``redacted``."""
        tally = Tally(build_gate().get_look())
        changes: dict[str, Any] = {}
        if trace.tools and (tools := self._redact_tools(trace.tools, tally)) is not trace.tools:
            changes["tools"] = tools
        fields = _get_fields(trace)
        if not self._is_clean(list(filter(None, fields)), tally):
            for name, old in zip(_TEXT_FIELDS, fields, strict=True):
                if (new := self._redact_value(old, tally)) is not old:
                    changes[name] = new
        for name in _PATH_FIELDS:
            if (old := getattr(trace, name)) and (new := self._redact(old, tally)) is not old:
                changes[name] = new
        messages = tuple([self._redact_message(message, tally) for message in trace.messages])
        counts = tally.counts
        if not counts:
            return trace
        total = {kind: trace.redacted.get(kind, 0) + counts.get(kind, 0) for kind in {*trace.redacted, *counts}}
        return structs.replace(trace, messages=messages, redacted=dict(sorted(total.items())), **changes)

    def redact_loss(self, loss: AnyLoss) -> AnyLoss:
        """The loss with placeholders in its path, detail and content."""
        path, detail, content = (self.redact_text(text) for text in (loss.path, loss.detail, loss.content))
        if (path, detail, content) == (loss.path, loss.detail, loss.content):
            return loss
        return cast(AnyLoss, replace(cast(Any, loss), path=path, detail=detail, content=content))

    def _redact_tools(self, tools: Sequence[Any], tally: Tally) -> Sequence[Any]:
        """Definitions that many traces share are looked at once where nothing is found in them."""
        if all(self._clean_tools.get(id(tool)) is tool for tool in tools):
            return tools
        mark = hash_values(tools)
        is_clean = mark in self._clean_marks or self._is_clean(tools, tally)
        redacted = tools if is_clean else self._redact_value(tools, tally)
        if redacted is tools:
            if len(self._clean_tools) > _MOST_CLEAN_TOOLS:  # no fewer than the marks
                self._clean_tools.clear()
                self._clean_marks.clear()
            self._clean_tools.update((id(tool), tool) for tool in tools)
            if mark is not None:
                self._clean_marks.add(mark)
        return redacted

    def _is_clean(self, values: Sequence[Any], tally: Tally) -> bool:
        """Whether one look at all texts of JSON-like values tells that they hold nothing."""
        texts = None if self._extra else join_texts(values)
        return texts is not None and not tally.look(texts)

    def _redact_message(self, message: Message, tally: Tally) -> Message:
        content, reasoning, model, calls = message.content, message.reasoning_content, message.model, message.tool_calls
        look, extra = tally.look, self._extra
        if isinstance(content, str):
            if message.role == "system":
                content = self._redact_prompt(content, tally)
            elif (labels := look(content)) or extra:
                content = self._redact_met(content, labels, tally)
        elif content:
            content = self._redact_value(content, tally)
        if reasoning and ((labels := look(reasoning)) or extra):
            reasoning = self._redact_met(reasoning, labels, tally)
        if model and model not in tally.clean:
            model = self._redact(model, tally)
        if calls:
            opened = [look(call.arguments) for call in calls]
            if extra or any(opened):
                changed = tuple([self._redact_call(*pair, tally) for pair in zip(calls, opened, strict=True)])
                calls = changed if any(map(is_not, changed, calls)) else calls
        is_same = content is message.content and reasoning is message.reasoning_content
        if is_same and calls is message.tool_calls and model is message.model:
            return message
        return structs.replace(message, content=content, reasoning_content=reasoning, tool_calls=calls, model=model)

    def _redact_met(self, text: str, labels: frozenset[str], tally: Tally) -> str:
        """Redact a text in which the gate saw ``labels``."""
        if len(text) < _MIN_CHARS:
            return text
        hits = find_hits(text, labels, self._extra)
        return self._replace(text, labels, hits, tally) if hits else text

    def _redact_prompt(self, text: str, tally: Tally) -> str:
        """A system prompt is that of many traces: it is looked at once where nothing is found in it."""
        if text in self._clean_prompts:
            return text
        redacted = self._redact(text, tally)
        if redacted is text and len(text) <= _MAX_PROMPT_CHARS:
            if len(self._clean_prompts) >= _MOST_CLEAN_PROMPTS:
                self._clean_prompts.clear()
            self._clean_prompts.add(text)
        return redacted

    def _redact_call(self, call: ToolCall, labels: frozenset[str], tally: Tally) -> ToolCall:
        arguments = self._redact_arguments(call.arguments, labels, tally)
        return call if arguments is call.arguments else structs.replace(call, arguments=arguments)

    def _redact_arguments(self, text: str, labels: frozenset[str], tally: Tally) -> str:
        """Redact JSON text string by string, so that it stays valid and all else in it stays as it was written."""
        hits = find_hits(text, labels, self._extra) if (labels or self._extra) and len(text) >= _MIN_CHARS else ()
        if not hits:
            return self._redact_strings(text, tally) if HIDDEN_LABEL in labels else text
        found = Tally(tally.look, tally)
        redacted = self._replace(text, labels, hits, found)
        is_done = not self._extra and is_home_plain(text, found.labels)
        if is_done or not is_json(text):
            for kind, number in found.counts.items():
                tally.add(kind, number)
            return redacted
        return self._redact_strings(text, tally)

    def _redact_strings(self, text: str, tally: Tally) -> str:
        """Redact every string of JSON text by itself; text that is no JSON stays."""
        if not is_json(text):
            return text
        key = ""

        def replace(match: re.Match[str]) -> str:
            nonlocal key
            literal = f'"{match["body"]}"'
            value: str = json.loads(literal)
            new = self._redact_named(key, value, tally)
            key = value if match["colon"] else ""
            if new is value:
                return match[0]
            return json.dumps(new, ensure_ascii=literal.isascii()) + (match["colon"] or "")

        redacted = JSON_STRING.sub(replace, text)
        return text if redacted == text else redacted

    def _redact_value(self, value: Any, tally: Tally, name: str = "") -> Any:
        """Redact all keys and texts of a JSON-like value; ``name``: the key under which it stands."""
        if isinstance(value, str):
            return self._redact_named(name, value, tally)
        if value is None or isinstance(value, int | float):
            return value
        if isinstance(value, dict | Mapping):  # the first is quick to tell
            items = cast("Mapping[Any, Any]", value)
            pairs = [(self._redact_value(key, tally), self._redact_value(items[key], tally, str(key))) for key in items]
            same = all(old is key and items[old] is new for old, (key, new) in zip(items, pairs, strict=True))
            return items if same else dict(pairs)
        if isinstance(value, list | tuple):
            entries = cast("list[Any] | tuple[Any, ...]", value)
            changed = [self._redact_value(entry, tally) for entry in entries]
            if not any(map(is_not, changed, entries)):
                return entries
            return tuple(changed) if isinstance(value, tuple) else changed
        return value

    def _redact_named(self, name: str, text: str, tally: Tally) -> str:
        """Redact a text that is the value of ``name`` in an object: ``{"password": "…"}``."""
        redacted = self._redact(text, tally)
        if redacted is not text or not name or len(text) > 1000 or not is_secret_name(name):
            return redacted
        head = f'"{name}": "'
        body = text.replace("\\", "\\\\").replace('"', '\\"')
        whole = f'{head}{body}"'
        labels = tally.look(whole)
        for start, end, kind in (*find_assigned(whole, labels), *find_phrases(whole, labels)):
            if start == len(head) and end == start + len(body):
                tally.add(kind)
                return self._build_placeholder(text, kind)
        return text

    def _redact(self, text: str, tally: Tally) -> str:
        """Redact a text until nothing is found in it any more, and count what was replaced."""
        is_short = len(text) <= _MAX_SHORT_CHARS  # a longer one is cheaper to scan again than to keep
        if is_short and (len(text) < _MIN_CHARS or text in tally.clean):
            return text
        labels = tally.look(text)
        redacted = self._redact_met(text, labels, tally) if labels or self._extra else text
        if is_short and redacted is text:
            tally.clean.add(text)
        return redacted

    def _replace(self, text: str, labels: frozenset[str], hits: Sequence[Hit], tally: Tally) -> str:
        """Put placeholders in the place of ``hits``, then of what is found after that."""
        placeholders, counts = tally.placeholders, tally.counts
        for _ in range(_MAX_PASSES):
            tally.labels |= labels
            pieces: list[str] = []
            done = homes = 0
            for start, end, kind in hits:
                place = (text[start:end], kind)
                if (placeholder := placeholders.get(place)) is None:
                    placeholder = placeholders[place] = self._build_placeholder(*place)
                pieces.append(text[done:start])
                pieces.append(placeholder)
                done = end
                if kind == "home":
                    homes += 1
                else:
                    counts[kind] = counts.get(kind, 0) + 1
            pieces.append(text[done:])
            text = "".join(pieces)
            if homes:
                counts["home"] = counts.get("home", 0) + homes
                if homes == len(hits):
                    return text
            labels = tally.look(text)
            if not (hits := find_hits(text, labels, self._extra)):
                break
        return text

    def _build_placeholder(self, value: str, kind: str) -> str:
        mark = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=3, key=self._key).hexdigest()
        return f"user_{mark}" if kind == "home" else f"[REDACTED_{kind.upper()}_{mark}]"
