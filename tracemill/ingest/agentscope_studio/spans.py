"""The attributes of AgentScope's spans, of either generation → what a conversation is made of.

Up to AgentScope 1.0.8 a span holds ``input``, ``output`` and ``metadata``; later ones ``agentscope.function.input`` and
``.output`` and OpenTelemetry's ``gen_ai.*``. Messages of an agent and answers of a tool are there as Python
expressions, ``Msg(...)`` and ``ToolResponse(...)``: they are parsed, never executed.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracemill.ingest.agentscope_studio.prompts import read_blocks, read_output
from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_decode import decode_json
from tracemill.ingest.json_fields import (
    as_list,
    as_record,
    get_int,
    get_text,
    parse_json,
    parse_record,
    read_tool_definitions,
)
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.source import Loss, LossLog

_PARSE_ERRORS = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)
_CACHE_COUNTS = re.compile(r"\bcache_(?:creation|read)_input_tokens=(\d{1,12})\b")
_MESSAGE_HEAD = re.compile(r"Msg\(id='[^']*', name='")
_CONTENT_START, _ROLE_START = "', content=", ", role='"
_RETURN_CODE = re.compile(r"\s*<returncode>(-?\d{1,10})</returncode>")
_LISTS = ("[", "{")
#: The only reason for which an answer ended that AgentScope tells apart, from 2 on.
_INTERRUPTED = "interrupted"
_PROVIDER_OF_CACHES = "anthropic"
#: How a tool ended, as AgentScope 2 says it, with whether it failed.
_STATES = {"success": False, "error": True, "interrupted": True, "denied": True}


@dataclass(frozen=True, slots=True)
class Spoken:
    """One ``Msg`` that an agent was given: who said it, in which role, and the texts of its blocks."""

    name: str
    role: str
    texts: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """All that was said; None where it is no text."""
        return "\n\n".join(self.texts) if self.texts else None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool span says: the call's id, the result (None where there is none), whether it failed."""

    call_id: str
    content: Content | None
    is_error: bool | None
    ended_at: str | None
    losses: tuple[Loss, ...] = ()


def find_prompt(attributes: Mapping[str, Any]) -> list[Any] | None:
    """The messages that a model was given, in its provider's shape."""
    given = as_record(_load(_dig(attributes, "agentscope.function.input") or attributes.get("input")))
    kwargs = as_record(given.get("kwargs"))
    found = (
        *as_list(given.get("args"))[:1],
        *(kwargs.get(key) for key in ("messages", "msgs", "prompt")),
        _dig(attributes, "gen_ai.input.messages"),
        given.get("messages"),
    )
    return next((value for item in found if isinstance(value := _load(item), list)), None)


def find_tools(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tools that a model was given, as OpenAI writes them."""
    given = as_record(_load(_dig(attributes, "agentscope.function.input") or attributes.get("input")))
    tools = read_tool_definitions(_load(as_record(given.get("kwargs")).get("tools")))
    return tools or read_tool_definitions(_load(_dig(attributes, "gen_ai.tool.definitions")))


def find_model(attributes: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    """The name of the model that was asked."""
    column = row.get("model")
    named = {
        "request": _dig(attributes, "gen_ai.request.model"),
        "metadata": _dig(attributes, "metadata.model_name"),
        "column": column.decode("utf-8", "replace") if isinstance(column, bytes) else column,
    }
    return get_text(named, "request", "metadata", "column")


def read_answer(attributes: Mapping[str, Any], turn: ModelTurn, log: LossLog) -> None:
    """Put what a model answered into ``turn``, with its usage."""
    output = as_record(_load(_dig(attributes, "agentscope.function.output") or attributes.get("output")))
    content = _load(output.get("content"))
    if isinstance(content, str):
        content = [content]
    if not isinstance(content, list):
        messages = _load(_dig(attributes, "gen_ai.output.messages") or output.get("messages"))
        reasons = [as_record(message).get("finish_reason") for message in as_list(messages)]
        turn.stop_reason = _INTERRUPTED if _INTERRUPTED in reasons else turn.stop_reason
        content = [part for message in as_list(messages) for part in as_list(as_record(message).get("parts"))]
    read_blocks(content, turn, log)
    turn.usage = _read_usage(attributes, as_record(output.get("usage")), log)


def read_agent(attributes: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Id and name of an agent; either is None where the span does not say."""
    agent, metadata = as_record(_dig(attributes, "gen_ai.agent")), as_record(attributes.get("metadata"))
    return get_text(agent, "id") or get_text(metadata, "id"), get_text(agent, "name") or get_text(metadata, "name")


def find_continued_id(attributes: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The id of the reply that an agent of AgentScope 2 gave, and whether it went on with one that had waited."""
    told = as_record(_dig(attributes, "agentscope.agent"))
    return get_text(told, "reply_id"), get_text(told, "incoming_event_type") is not None


def read_inputs(attributes: Mapping[str, Any]) -> list[Spoken]:
    """The messages that an agent was given for one reply; those that cannot be read are left out."""
    told = _load(_dig(attributes, "gen_ai.input.messages"))
    if isinstance(told, list):
        records = [as_record(item) for item in told]
        return [
            Spoken(get_text(item, "name") or "", get_text(item, "role") or "", _list_texts(item.get("parts")))
            for item in records
        ]
    given = as_record(_load(_dig(attributes, "agentscope.function.input") or attributes.get("input")))
    first = as_record(given.get("kwargs")).get("msg") or next(iter(as_list(given.get("args"))), None)
    spoken = [parse_spoken(item) for item in (first if isinstance(first, list) else [first])]
    return [item for item in spoken if item is not None]


def find_first_role(attributes: Mapping[str, Any]) -> str | None:
    """The role of the first message that a formatter was given, before its provider's shape hid it."""
    given = as_record(_load(_dig(attributes, "agentscope.function.input") or attributes.get("input")))
    first = next(iter(as_list(given.get("args"))), None)
    messages = as_list(as_record(given.get("kwargs")).get("msgs")) or as_list(first)
    spoken = parse_spoken(messages[0]) if messages else None
    return spoken.role if spoken is not None else None


def read_tool(attributes: Mapping[str, Any], is_failed: bool, ended_at: str | None, path: str) -> ToolAnswer:
    """The answer of a tool; its losses count where it is taken."""
    log = LossLog(path=path)
    given = as_record(_load(_dig(attributes, "agentscope.function.input") or attributes.get("input")))
    call = as_record(given.get("tool_call"))
    call_id = get_text(as_record(_dig(attributes, "gen_ai.tool.call")), "id") or get_text(call, "id") or ""
    output = _dig(attributes, "agentscope.function.output") or attributes.get("output")
    output = output or _dig(attributes, "gen_ai.tool.call.result")
    told = parse_record(output)
    state = get_text(told, "state") if isinstance(told.get("content"), list) else None
    content = _read_tool_content(output if state is None else told, log)
    is_error = True if is_failed else _STATES.get(state or "")
    return ToolAnswer(call_id, content, is_error, ended_at, tuple(log.losses))


def read_return_code(content: Content) -> bool | None:
    """Whether a program failed that AgentScope's own tools ran: they put its return code first; None elsewhere."""
    found = _RETURN_CODE.match(content) if isinstance(content, str) else None
    return None if found is None else int(found.group(1)) != 0


def parse_spoken(value: Any) -> Spoken | None:
    """A ``Msg(...)`` expression; an apostrophe in a name makes it no Python, then it is taken apart by its fields."""
    if not isinstance(value, str) or not value.startswith("Msg("):
        return None
    fields = _parse_call(value) or _split_message(value)
    if not fields:
        return None
    content = fields.get("content")
    texts = (content,) if isinstance(content, str) else _list_texts(content)
    return Spoken(str(fields.get("name") or ""), str(fields.get("role") or ""), texts)


def _split_message(text: str) -> dict[str, Any]:
    """The fields of a message by the names between which they stand; empty where these are not there."""
    head = _MESSAGE_HEAD.match(text)
    start, end = text.find(_CONTENT_START), text.rfind(_ROLE_START)
    if head is None or not head.end() <= start < end:
        return {}
    content = _parse_call(f"Msg(content={text[start + len(_CONTENT_START) : end]})") or {}
    role = text[end + len(_ROLE_START) :].partition("'")[0]
    return {"name": text[head.end() : start], "role": role, **content}


def _read_tool_content(output: Any, log: LossLog) -> Content | None:
    if isinstance(output, str):
        fields = _parse_call(output) if output.startswith(("ToolResponse(", "ToolChunk(")) else None
        if fields is None or "content" not in fields:
            return output or None
        return read_content(fields["content"], log)
    if isinstance(output, dict):
        return read_output(output.get("content", output), log)
    return read_content(output, log) if isinstance(output, list) else None


def _parse_call(text: str) -> dict[str, Any] | None:
    """The keyword arguments of a call written as Python, those that are literals; None where it is no call."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except _PARSE_ERRORS:
        return None
    if not isinstance(tree, ast.Call):
        return None
    fields: dict[str, Any] = {}
    for keyword in tree.keywords:
        try:
            written = json.dumps(ast.literal_eval(keyword.value))  # refuses what JSON has not
            fields[keyword.arg or ""] = decode_json(written.encode(), LossLog(path=""))
        except _PARSE_ERRORS:
            continue
    return fields


def _list_texts(blocks: Any) -> tuple[str, ...]:
    records = [as_record(block) for block in as_list(blocks)]
    return tuple(text for record in records if isinstance(text := record.get("text", record.get("content")), str))


def _read_usage(attributes: Mapping[str, Any], told: Mapping[str, Any], log: LossLog) -> dict[str, int] | None:
    """Tokens of one call; a number below zero is no count. Anthropic counts what a cache held apart: it is prompt."""
    also = as_record(_dig(attributes, "gen_ai.usage"))
    usage: dict[str, int] = {}
    for key in ("input_tokens", "output_tokens"):
        said = [told.get(key), also.get(key)]
        if any(isinstance(count, int) and abs(count) >= 2**63 for count in said):
            log.note("huge_integer")
        count = next((count for record in (told, also) if (count := get_int(record, key)) is not None), None)
        if count is not None and count >= 0:
            usage[key] = count
    details = told.get("metadata")
    if "input_tokens" in usage and isinstance(details, str) and details.startswith("Usage("):
        usage["input_tokens"] += sum(int(count) for count in _CACHE_COUNTS.findall(details))
    elif "input_tokens" in usage and _dig(attributes, "gen_ai.provider.name") == _PROVIDER_OF_CACHES:
        cached = as_record(_dig(attributes, "agentscope.usage"))
        counts = (get_int(cached, key) or 0 for key in ("cache_input_tokens", "cache_creation_input_tokens"))
        usage["input_tokens"] += sum(count for count in counts if count > 0)
    return usage or None


def _dig(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for part in path.split("."):
        value = as_record(value).get(part)
    return value


def _load(value: Any) -> Any:
    """A value that some versions keep as JSON text."""
    if isinstance(value, str) and value.startswith(_LISTS):
        loaded = parse_json(value)
        return value if loaded is None else loaded
    return value
