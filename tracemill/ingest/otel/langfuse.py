"""What Langfuse's SDKs and exports write → the conventions for generative AI.

Its spans bear ``langfuse.observation.type`` (generation, tool, agent, span, …), ``langfuse.observation.input`` and
``output`` as text or JSON, ``langfuse.observation.model.name`` and ``langfuse.observation.usage_details``. A generation
of the OpenAI integration has messages, or ``{"messages", "tools", "functions"}``, and of the Responses API
``{"input", "instructions", "tools"}``; its answer is a message, text, or items of the Responses API, whose roles
``responses.py`` gives them.

Its export of observations (blob storage, public API) is no OpenTelemetry, but the same fields under names of their own,
one observation a row: ``id``, ``traceId`` or ``trace_id``, ``parentObservationId``, ``startTime``, ``usageDetails`` …
Older exports tell tokens in ``usage`` (``input`` and ``output``, or ``promptTokens`` and ``completionTokens``), or in
``promptTokens`` and ``completionTokens`` of the row; zero on both sides is how they write that nothing is known.

Source: langfuse/langfuse, ``packages/shared/src/server/otel``; langfuse/langfuse-python, ``_client/attributes.py``,
``openai.py`` and ``api/commons/types/observation_v2.py``; https://langfuse.com/docs/model-usage-and-cost (usage types).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.otel.values import get_attribute, get_attribute_count, get_attribute_text, load_json, read_id

MARKS = ("langfuse",)
_START = "langfuse.observation."
_OPERATIONS = {"generation": "chat", "tool": "execute_tool", "agent": "invoke_agent", "embedding": "embeddings"}
_KINDS = {
    **{"execute_tool": "tool", "invoke_agent": "agent"},
    **dict.fromkeys(("chat", "completion", "text_completion", "generate_content"), "generation"),
}
_TYPES = frozenset(
    {
        *("generation", "tool", "agent", "embedding", "span", "event"),
        *("chain", "retriever", "guardrail", "evaluator"),
    }
)
#: SDKs for Python up to 3.3.0 call a generation a span; these fields only generations have.
_OF_GENERATIONS = ("model.name", "model.parameters", "usage_details")
_OLDER = {"input": ("prompt_tokens", "promptTokens"), "output": ("completion_tokens", "completionTokens")}


def translate_langfuse(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the attributes of a span called ``name`` say, under the names of the conventions."""
    kind = _find_kind(attributes)
    asked, answered = (get_attribute(attributes, f"{_START}{side}") for side in ("input", "output"))
    told: dict[str, Any] = {"gen_ai.operation.name": _OPERATIONS.get(kind)}
    if kind == "tool":
        told |= {"gen_ai.tool.name": name or None, "gen_ai.tool.call.result": answered}
        told["gen_ai.tool.call.arguments"] = asked
    elif kind == "agent":
        told["gen_ai.agent.name"] = name or None
        told |= {"gen_ai.input.messages": _read_agent(asked, "user")}
        told |= {"gen_ai.output.messages": _read_agent(answered, "assistant")}
    elif kind == "generation":
        told |= {"gen_ai.input.messages": _read_prompt(asked), "gen_ai.output.messages": _read_answer(answered)}
        told["gen_ai.tool.definitions"] = _read_tools(asked)
        told["gen_ai.request.model"] = get_attribute_text(attributes, f"{_START}model.name")
        told |= _read_usage(as_record(load_json(get_attribute(attributes, f"{_START}usage_details"))))
    return {key: value for key, value in told.items() if value is not None}


def _find_kind(attributes: Mapping[str, Any]) -> str:
    """The type of an observation; where it is not told, what its operation or its model makes of it."""
    kind = (get_attribute_text(attributes, f"{_START}type") or "").lower()
    if kind in ("", "span") and any(get_attribute(attributes, _START + field) for field in _OF_GENERATIONS):
        return "generation"
    if kind:
        return kind
    operation = get_attribute_text(attributes, "gen_ai.operation.name")
    if operation is not None:
        return _KINDS.get(operation, "")
    return "generation" if get_attribute_text(attributes, "gen_ai.request.model", "gen_ai.response.model") else ""


def is_observation(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of Langfuse's export of observations."""
    kind = row.get("type")
    return (
        isinstance(kind, str)
        and kind.isupper()
        and kind.lower() in _TYPES
        and read_id(row, "id") is not None
        and read_id(row, "traceId", "trace_id") is not None
        and ("startTime" in row or "start_time" in row)
    )


def make_span(row: Mapping[str, Any]) -> dict[str, Any]:
    """An exported observation as the span that it was made from."""

    def get(*names: str) -> Any:
        return next((row[key] for key in names if row.get(key) not in (None, "")), None)

    fields = {
        "type": str(row["type"]).lower(),
        "input": get("input"),
        "output": get("output"),
        "level": get("level"),
        "model.name": get("providedModelName", "provided_model_name", "model"),
        "usage_details": _find_usage(row, get("usageDetails", "usage_details")),
    }
    attributes = {_START + key: value for key, value in fields.items() if value is not None}
    return {
        "trace_id": get("traceId", "trace_id"),
        "span_id": row["id"],
        "parent_id": get("parentObservationId", "parent_observation_id"),
        "name": get("name"),
        "start_time": get("startTime", "start_time"),
        "end_time": get("endTime", "end_time"),
        "attributes": {**attributes, "langfuse.session.id": get("sessionId", "session_id")},
    }


def is_failed(attributes: Mapping[str, Any]) -> bool:
    """Whether an observation says that it went wrong."""
    return get_attribute(attributes, f"{_START}level") == "ERROR"


def _read_prompt(value: Any) -> list[Any] | None:
    loaded = load_json(value)
    record = as_record(loaded)
    if isinstance(record.get("messages"), list):
        return as_list(record["messages"])
    if "role" in record:
        return [record]
    if "input" in record or "instructions" in record:
        rules = get_text(record, "instructions")
        return [*([{"role": "system", "content": rules}] if rules else []), *(_read_prompt(record.get("input")) or [])]
    if isinstance(loaded, list):
        return as_list(loaded)
    if isinstance(value, str) and value and not isinstance(loaded, dict):
        return [{"role": "user", "content": value}]
    return None if value is None or value == "" else [loaded]


def _read_answer(value: Any) -> list[Any] | None:
    """A message whose role is not told is the model's; text is a message."""
    loaded = load_json(value)
    if not isinstance(loaded, dict | list):
        return [{"role": "assistant", "content": value}] if isinstance(value, str) and value else None
    record = as_record(loaded)
    is_response = record.get("object") == "response" and isinstance(record.get("output"), list)
    listed = as_list(record["output"] if is_response else loaded) or [loaded]
    return [
        {**as_record(item), "role": as_record(item).get("role") or "assistant"} if _is_said(as_record(item)) else item
        for item in listed
    ]


def _is_said(item: Mapping[str, Any]) -> bool:
    return any(key in item for key in ("content", "tool_calls", "function_call")) and "type" not in item


def _read_agent(value: Any, role: str) -> list[Any] | None:
    """What an agent was asked or answered, where it is text or messages; arguments of a function are neither."""
    loaded = load_json(value)
    if isinstance(loaded, dict | list):
        listed = as_list(as_record(loaded).get("messages")) or as_list(loaded) or [loaded]
        return listed if all(isinstance(as_record(item).get("role"), str) for item in listed) else None
    return [{"role": role, "content": value}] if isinstance(value, str) and value else None


def _read_tools(value: Any) -> list[Any] | None:
    record = as_record(load_json(value))
    return [*as_list(record.get("tools")), *as_list(record.get("functions"))] or None


def _find_usage(row: Mapping[str, Any], details: Any) -> Any:
    """The usage of an exported observation: where its details tell none, what older fields do; None if unknown."""
    if _read_usage(as_record(load_json(details))):
        return details
    usage = as_record(load_json(row.get("usage")))
    unit = get_text(usage, "unit") or get_text(row, "unit")
    if unit is not None and unit.upper() != "TOKENS":
        return details
    plain = {key: row[key] for older in _OLDER.values() for key in older if key in row}
    for told in (usage, plain):
        counts = _read_usage(told)
        if any(counts.values()):
            return {key.removeprefix("gen_ai.usage."): count for key, count in counts.items()}
    return details


def _read_usage(details: Mapping[str, Any]) -> dict[str, int]:
    """Langfuse's own types add up, those of the providers are whole and have their parts beside them."""
    counts: dict[str, int] = {}
    for side, older in _OLDER.items():
        count = get_attribute_count(details, f"{side}_tokens", *older)
        if count is None:
            parts = [get_attribute_count(details, key) for key in details if side in key]
            known = [number for number in parts if number is not None]
            count = sum(known) if known else None
        if count is not None:
            counts[f"gen_ai.usage.{side}_tokens"] = count
    return counts
