"""Calls of tools that the model's provider runs itself, or that act on a computer: what they asked, what came back.

Such an item names no tool: the call has the name of its type without ``_call``. Its result, where the provider tells
one, lies in the item. Literal items, shortened::

    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "tide"}}
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]}

Source: NVIDIA-NeMo/Gym after 0.4.0, ``nemo_gym/openai_utils.py``; openai-python, ``types/responses``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, get_text

HOSTED_TYPES = (
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "computer_call",
)
#: Fields of an item that are what a tool was asked; of an action what it found is no part.
_ASKED = ("action", "actions", "queries", "code", "revised_prompt")
_SCREENSHOT = "computer_screenshot"


def get_tool_name(kind: str) -> str:
    """The name of a tool by the type of its calls."""
    return kind.removesuffix("_call")


def list_arguments(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a tool was asked; an action's own fields where that is all."""
    asked = {key: item[key] for key in _ASKED if item.get(key) is not None}
    action = asked.get("action")
    if isinstance(action, dict) and len(asked) == 1:
        return {key: value for key, value in as_record(action).items() if key != "sources"}
    return asked


def list_found(item: Mapping[str, Any]) -> Any:
    """What a tool gave back, as blocks or as a value; None where the provider does not tell."""
    if item.get("outputs") is not None:
        return [_rewrite_output(block) for block in as_list(item["outputs"])]
    if (picture := get_text(item, "result")) is not None:
        return [{"type": "image", "source": {"data": picture, "media_type": "image/png"}}]
    for found in (item.get("results"), as_record(item.get("action")).get("sources")):
        if found is not None:
            return {"results": found}
    return None


def rewrite_screenshot(output: Any) -> Any:
    """The picture of a computer's screen as an image block; any other output as it is."""
    record = as_record(output)
    if record.get("type") != _SCREENSHOT:
        return output
    return [{"type": "image_url", "image_url": get_text(record, "image_url") or get_text(record, "file_id") or ""}]


def _rewrite_output(block: Any) -> Any:
    record = as_record(block)
    if record.get("type") == "logs":
        return {"type": "text", "text": get_text(record, "logs") or ""}
    return {"type": "image_url", "image_url": record.get("url")} if record.get("type") == "image" else block
