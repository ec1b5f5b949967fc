"""The AI SDK of Vercel → the conventions for generative AI.

``ai.operationId`` names what a span is: ``ai.generateText.doGenerate`` and ``ai.streamText.doStream`` (the same for
objects) ask the model and have ``ai.prompt.messages``, ``ai.prompt.tools``, ``ai.response.text``, ``.object``,
``.toolCalls``, ``.reasoning`` and ``.finishReason``, ``ai.usage.*`` and ``ai.model.*``; ``ai.generateText`` and the
like around them are read as the call of an agent, with ``ai.telemetry.functionId`` as its name and ``ai.prompt`` as its
messages where nothing below asked a model; ``ai.toolCall`` is a tool. Before version 4 answers stood in
``ai.result.*``. ``ai.telemetry.metadata.sessionId``, which applications set, groups traces: see ``dialects.py``.

A message is ``{"role", "content"}`` with parts of type ``text``, ``reasoning``, ``tool-call``, ``tool-result``,
``image`` and ``file``; arguments are ``input`` (``args`` before version 5), results ``output`` (``result``).

Source: vercel/ai, ``content/docs/03-ai-sdk-core/60-telemetry.mdx``, ``packages/ai/src/telemetry`` and
``packages/provider/src/language-model`` (versions 3 to 6); from version 7 on it can write the conventions themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, get_bool, get_text
from tracemill.ingest.otel.values import get_attribute, get_attribute_text, load_json

MARKS = ("ai",)
SESSION = "ai.telemetry.metadata.sessionId"
_AGENTS = frozenset({"ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"})
_OTHERS = {
    "ai.toolCall": "execute_tool",
    "ai.embed": "embeddings",
    "ai.embedMany": "embeddings",
    "ai.rerank": "reranker",
}
_FAILED_OUTPUTS = ("error-text", "error-json", "execution-denied")
_COUNTS = {
    "gen_ai.usage.input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens"),
    "gen_ai.usage.output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
}


def translate_vercel(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the attributes of a span called ``name`` say, under the names of the conventions."""
    what = get_attribute_text(attributes, "ai.operationId") or name.partition(" ")[0]
    owner = what.rpartition(".")[0]
    told: dict[str, Any] = {}
    if owner in _AGENTS:
        prompt = as_list(load_json(get_attribute(attributes, "ai.prompt.messages")))
        told |= {"gen_ai.operation.name": "chat", **_read_request(attributes)}
        told["gen_ai.input.messages"] = [_read_message(item) for item in prompt] or None
    elif what in _AGENTS:
        told |= {"gen_ai.operation.name": "invoke_agent", **_read_request(attributes)}
        told["gen_ai.agent.name"] = get_attribute_text(attributes, "ai.telemetry.functionId")
        told["gen_ai.input.messages"] = _read_asked(get_attribute(attributes, "ai.prompt"))
    elif what == "ai.toolCall":
        told["gen_ai.operation.name"] = _OTHERS[what]
        told["gen_ai.tool.name"] = get_attribute_text(attributes, "ai.toolCall.name")
        told["gen_ai.tool.call.id"] = get_attribute_text(attributes, "ai.toolCall.id")
        told["gen_ai.tool.call.arguments"] = get_attribute(attributes, "ai.toolCall.args")
        told["gen_ai.tool.call.result"] = _load(get_attribute(attributes, "ai.toolCall.result"))
    else:
        told["gen_ai.operation.name"] = _OTHERS.get(what, _OTHERS.get(owner))
    return {key: value for key, value in told.items() if value is not None}


def _read_request(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """All but the prompt."""
    reason = get_attribute_text(attributes, "ai.response.finishReason", "ai.finishReason")
    tools = [
        _read_tool(as_record(load_json(item))) for item in as_list(_load(get_attribute(attributes, "ai.prompt.tools")))
    ]
    told: dict[str, Any] = {
        "gen_ai.output.messages": _read_answer(attributes),
        "gen_ai.tool.definitions": tools or None,
        "gen_ai.provider.name": get_attribute_text(attributes, "ai.model.provider"),
        "gen_ai.request.model": get_attribute_text(attributes, "ai.model.id"),
        "gen_ai.response.model": get_attribute_text(attributes, "ai.response.model"),
        "gen_ai.response.finish_reasons": [reason] if reason else None,
    }
    for side, names in _COUNTS.items():
        counts = (get_attribute(attributes, own) for own in names)
        told[side] = next((count for count in counts if count is not None), None)
    return told


def _read_asked(value: Any) -> list[Any] | None:
    """The messages of ``ai.prompt``: a system text, and a prompt that is a text or messages."""
    record = as_record(load_json(value))
    rules, prompt = get_text(record, "system"), record.get("prompt")
    messages = [*as_list(record.get("messages")), *as_list(prompt)]
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) and prompt else []
    told = [*([{"role": "system", "content": rules}] if rules else []), *messages, *asked]
    return [_read_message(message) for message in told] or None


def _read_answer(attributes: Mapping[str, Any]) -> list[Any] | None:
    """The turn of the model, or None where it said nothing: a stream that was broken off, a request that failed."""

    def get(name: str) -> Any:
        value = get_attribute(attributes, f"ai.response.{name}")
        return get_attribute(attributes, f"ai.result.{name}") if value is None else value

    texts = [text for text in (get("text"), get("object")) if isinstance(text, str) and text]
    thought = get("reasoning")
    parts = [{"type": "reasoning", "content": thought}] if isinstance(thought, str) and thought else []
    parts += [{"type": "text", "content": text} for text in texts[:1]]
    parts += [_read_part({**as_record(call), "type": "tool-call"}) for call in as_list(load_json(get("toolCalls")))]
    return [{"role": "assistant", "parts": parts}] if parts else None


def _read_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    schema = tool.get("inputSchema") or tool.get("parameters")
    return {"name": tool.get("name"), "description": tool.get("description"), "parameters": schema}


def _read_message(value: Any) -> Any:
    message = as_record(value)
    content = message.get("content")
    if not isinstance(content, list):
        return value
    return {"role": message.get("role"), "parts": [_read_part(part) for part in as_list(content)]}


def _read_part(value: Any) -> Any:
    part = as_record(value)
    kind = part.get("type")
    if kind == "tool-call":
        given = part.get("args") if part.get("input") is None else part.get("input")
        call_id, name = get_text(part, "toolCallId"), get_text(part, "toolName")
        return {"type": "tool_call", "id": call_id, "name": name, "arguments": given}
    if kind == "tool-result":
        return {"type": "tool_call_response", "id": get_text(part, "toolCallId"), **_read_output(part)}
    if kind == "image" or (kind == "file" and (_get_media_type(part) or "").startswith("image/")):
        return _read_image(part)
    return value


def _read_output(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool gave; since version 5 with its kind, some of which say that it failed."""
    output = as_record(part.get("output"))
    kind = output.get("type")
    if not isinstance(kind, str):
        result = part.get("result") if part.get("output") is None else part.get("output")
        return {"response": result, "is_error": get_bool(part, "isError")}
    value = output.get("reason") if kind == "execution-denied" else output.get("value")
    if kind == "content":
        value = [_read_block(as_record(block)) for block in as_list(value)]
    return {"response": value, "is_error": True if kind in _FAILED_OUTPUTS else None}


def _read_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block of a tool's result: images have been called media, image-data, image-url and file."""
    media_type = _get_media_type(block) or ""
    if media_type.startswith("image/") or str(block.get("type")).startswith("image"):
        image = _read_image(block)
        link, data = image.get("uri"), image.get("content")
        told = {"type": "image", "mime_type": media_type or None, "url": link, "data": data}
        return {key: value for key, value in told.items() if value is not None}
    return dict(block)


def _read_image(part: Mapping[str, Any]) -> dict[str, Any]:
    given = next((part[key] for key in ("image", "data", "url") if part.get(key) is not None), None)
    text = given if isinstance(given, str) else get_text(as_record(given), "url", "data")
    told = {"modality": "image", "mime_type": _get_media_type(part)}
    if text is not None and text.startswith(("http:", "https:")):
        return {"type": "uri", **told, "uri": text}
    return {"type": "blob", **told, "content": (text or "").partition(";base64,")[2] or text}


def _get_media_type(part: Mapping[str, Any]) -> str | None:
    return get_text(part, "mediaType", "mimeType")


def _load(value: Any) -> Any:
    """A value from the JSON text that holds it, else as it is."""
    loaded = load_json(value)
    return value if loaded is None else loaded
