"""Conventions beside those of OpenTelemetry: each is told under the names of the latter, so that one reader reads all.

What a span says by the conventions themselves stays as it is; a dialect only adds what is missing. Beside those of
Langfuse, OpenInference, OpenLLMetry and Vercel's AI SDK this is how Pydantic AI wrote until it followed the
conventions: spans of tools without an operation, their result in ``tool_response``, messages as a list of events in the
attribute ``events``.

Source: the modules of the dialects; for Pydantic AI langfuse/langfuse, ``OtelIngestionProcessor.ts``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tracemill.ingest.json_fields import as_list, as_record
from tracemill.ingest.otel import langfuse, openinference, traceloop, vercel
from tracemill.ingest.otel.values import get_attribute, get_attribute_text, load_json

_Translate = Callable[[Mapping[str, Any], str], dict[str, Any]]

#: The first words of the names that mark a dialect, and what reads it; what an earlier one tells stays.
_DIALECTS: tuple[tuple[tuple[str, ...], _Translate], ...] = (
    (langfuse.MARKS, langfuse.translate_langfuse),
    (openinference.MARKS, openinference.translate_openinference),
    (traceloop.MARKS, traceloop.translate_traceloop),
    (vercel.MARKS, vercel.translate_vercel),
)
#: All of them: names are one of these, with a dot after it where exporters do not nest.
MARKS = frozenset(mark for marks, _ in _DIALECTS for mark in marks)
_STARTS = tuple(f"{mark}." for mark in MARKS)
SESSIONS = ("langfuse.session.id", "session.id", vercel.SESSION)
_OPERATION = "gen_ai.operation.name"


class Told(NamedTuple):
    """What a span says in any dialect.

    ``attributes`` are those of the conventions for generative AI, empty where it is about something else; ``session``
    is what groups traces where the dialect has a word for it.
    """

    attributes: dict[str, Any]
    session: str | None = None
    is_failed: bool = False


def translate(attributes: Mapping[str, Any], name: str) -> Told:
    """What the attributes of a span called ``name`` say."""
    told = {key: value for key, value in attributes.items() if key.startswith("gen_ai.") or key == "gen_ai"}
    has_dialect = has_mark(attributes)
    if has_dialect:
        words = {key.partition(".")[0] for key in attributes}
        for marks, read in _DIALECTS:
            if not words.isdisjoint(marks):
                _add(told, read(attributes, name))
    if told and get_attribute(told, _OPERATION) is None and _is_bare_tool(told):
        result = get_attribute(attributes, "tool_response")
        asked = get_attribute(attributes, "tool_arguments")
        _add(told, {_OPERATION: "execute_tool", "gen_ai.tool.call.arguments": asked, "gen_ai.tool.call.result": result})
    if not has_dialect:
        return Told(told)
    return Told(told, get_attribute_text(attributes, *SESSIONS), langfuse.is_failed(attributes))


def has_mark(names: Iterable[str]) -> bool:
    """Whether any of the names of attributes is of a dialect."""
    return any(name.startswith(_STARTS) or name in MARKS for name in names)


def list_told_events(attributes: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events that an attribute lists, each with its name."""
    if "events" not in attributes:
        return []
    records = map(as_record, as_list(load_json(attributes["events"])))
    named = ((record.get("event.name"), record) for record in records)
    return [(name, record) for name, record in named if isinstance(name, str) and name.startswith("gen_ai.")]


def _add(told: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if value is not None and get_attribute(told, key) is None:
            told[key] = value


def _is_bare_tool(told: Mapping[str, Any]) -> bool:
    has_messages = any(get_attribute(told, f"gen_ai.{side}.messages") is not None for side in ("input", "output"))
    return not has_messages and get_attribute_text(told, "gen_ai.tool.name", "gen_ai.tool.call.id") is not None
