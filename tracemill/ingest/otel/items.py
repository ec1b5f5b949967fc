"""What an inference span tells: the prompt and the output, each as a list of items in the shape of today's conventions.

An item is ``{"role", "parts": [{"type": "text", "content"}, ...]}``; older shapes (an event a message, attributes with
an index, OpenAI messages) keep ``content`` and ``tool_calls``, which the reader of items takes too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, dump_json
from tracemill.ingest.otel.responses import give_roles
from tracemill.ingest.otel.spans import Event, Span
from tracemill.ingest.otel.unfold import gather, list_nodes
from tracemill.ingest.otel.values import get_attribute, load_json
from tracemill.ingest.source import LossLog

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"
_INSTRUCTIONS, _INPUT, _OUTPUT = "gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"


def read_prompt(span: Span, log: LossLog) -> list[Any]:
    """The items of the prompt; empty where the span tells none."""
    told = give_roles(_load_items(span, _INPUT, log))
    if not told:
        told = [_read_event(event, _ROLES[event.name]) for event in _sort_events(span) if event.name in _ROLES]
    if not told:
        told = _read_older(span, "prompt", log)
    instructions = _read_instructions(span, log)
    if instructions is None or any(_is_same(instructions, item) for item in told):
        return told
    return [instructions, *told]


def read_output(span: Span, log: LossLog) -> list[Any]:
    """The items of the output: one, or a sequence; of several choices all, in their order."""
    told = give_roles(_load_items(span, _OUTPUT, log))
    if not told:
        told = [_read_choice(event) for event in _sort_events(span) if event.name == _CHOICE]
    return told or _read_older(span, "completion", log)


def _load_items(span: Span, name: str, log: LossLog) -> list[Any]:
    value = get_attribute(span.attributes, name)
    if value is None or value == "":
        return []
    loaded = load_json(value)
    if isinstance(loaded, dict):
        inner = as_record(loaded).get("messages")
        return as_list(inner) if isinstance(inner, list) else [loaded]
    if isinstance(loaded, list):
        return as_list(loaded)
    # an exporter's limit on the length of attributes leaves a piece of JSON
    log.drop("malformed_record", span.line, f"{name} is no JSON list", dump_json(value))
    return []


def _read_instructions(span: Span, log: LossLog) -> dict[str, Any] | None:
    value = get_attribute(span.attributes, _INSTRUCTIONS)
    if value is None or value == "":
        return None
    loaded = load_json(value)
    if isinstance(loaded, list):
        return {"role": "system", "parts": loaded}
    if isinstance(loaded, dict):
        record = as_record(loaded)
        return {"role": "system", "parts": record["parts"] if isinstance(record.get("parts"), list) else [record]}
    if isinstance(value, str):
        return {"role": "system", "parts": [{"type": "text", "content": value}]}
    log.drop("malformed_record", span.line, f"{_INSTRUCTIONS} is no text", dump_json(value))
    return None


def _is_same(instructions: Mapping[str, Any], item: Any) -> bool:
    record = as_record(item)
    return record.get("role") == "system" and _find_words(record) == _find_words(instructions)


def _find_words(item: Mapping[str, Any]) -> str:
    if isinstance(item.get("content"), str):
        return str(item["content"]).strip()
    parts = map(as_record, as_list(item.get("parts")))
    return "\n".join(str(part.get("content", part.get("text", ""))) for part in parts).strip()


def _sort_events(span: Span) -> list[Event]:
    return sorted(span.events, key=lambda event: event.moment)


def _read_event(event: Event, role: str) -> dict[str, Any]:
    """An event of a prompt as an item: the body of a log record, or the attributes of a span's event."""
    told = _read_payload(event)
    own_role = told.get("role")
    return {**told, "role": own_role if isinstance(own_role, str) and own_role else role}


def _read_choice(event: Event) -> dict[str, Any]:
    told = _read_payload(event)
    message = load_json(told.get("message"))
    inner = as_record(message) or ({"content": message} if isinstance(message, str | list) else {})
    return {**told, **inner, "role": "assistant"}


def _read_payload(event: Event) -> dict[str, Any]:
    if isinstance(event.body, dict):
        return as_record(event.body)
    if isinstance(event.body, str) and event.body:
        return as_record(load_json(event.body)) or {"content": event.body}
    for name in ("gen_ai.event.content", "message"):
        value = get_attribute(event.attributes, name)
        if loaded := as_record(load_json(value)):
            return loaded if name != "message" else {**event.attributes, "message": loaded, **_lift(loaded)}
    told = dict(event.attributes)
    if _is_json_list(told.get("content")):
        told["content"] = load_json(told["content"])
    return told


def _lift(message: Mapping[str, Any]) -> dict[str, Any]:
    return {key: message[key] for key in ("content", "tool_calls", "id") if key in message}


def _read_older(span: Span, what: str, log: LossLog) -> list[Any]:
    """``gen_ai.prompt`` and ``gen_ai.completion``: attributes with an index, one JSON text, or an event with it."""
    items = _read_indexed(span.attributes, what)
    if items:
        return items
    name = f"gen_ai.{what}"
    value = get_attribute(span.attributes, name)
    for event in span.events if value is None else ():
        if event.name == f"gen_ai.content.{what}":
            value = get_attribute(event.attributes, name)
    if isinstance(value, dict) or value is None or value == "":
        return []
    loaded = load_json(value)
    if isinstance(loaded, list):
        return as_list(loaded)
    if isinstance(loaded, dict):
        inner = as_record(loaded).get("messages")
        return as_list(inner) if isinstance(inner, list) else [loaded]
    if isinstance(value, str):
        return [{"role": "user" if what == "prompt" else "assistant", "content": value}]
    log.drop("malformed_record", span.line, f"{name} is no text", dump_json(value))
    return []


def _read_indexed(attributes: Mapping[str, Any], what: str) -> list[Any]:
    tree = gather(attributes, f"gen_ai.{what}")
    role = "user" if what == "prompt" else "assistant"
    items: list[Any] = []
    for node in list_nodes(tree) if isinstance(tree, dict) else ():
        item = {"role": role, **(as_record(node) or {"content": node})}
        if "tool_calls" in item:
            item["tool_calls"] = list_nodes(load_json(item["tool_calls"]))
        if _is_json_list(item.get("content")):
            item["content"] = load_json(item["content"])
        items.append(item)
    return items


def _is_json_list(value: Any) -> bool:
    """Whether a text holds content blocks."""
    return isinstance(value, str) and value.startswith("[{") and isinstance(load_json(value), list)
