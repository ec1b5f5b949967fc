"""Parts of Claude Code messages: arguments of calls, blocks of a result, documents."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tracemill.ingest.content_parts import Content
from tracemill.ingest.json_fields import as_record, dump_json, get_text

_decode = msgspec.json.Decoder().decode
_space = msgspec.json.format
_find_escape = re.compile(r"\\[u/]").search  # in half of the time of two searches by "in"


def read_arguments(raw: msgspec.Raw) -> str:
    """The JSON of a call's arguments, spaced as everywhere; what stands in escapes that need none is written out.

    Raises:
        UnicodeDecodeError: it holds bytes that are no UTF-8.
    """
    if not raw:
        return "{}"
    text = _space(raw, indent=0).decode()
    if text[0] == "{" and ("\\" not in text or _find_escape(text) is None):
        return text
    return dump_json(_decode(raw))


def as_text(text: str | None) -> str | None:
    return text if text and not text.isspace() else None


def append_text(parts: list[dict[str, Any]], text: str) -> None:
    if text and not text.isspace():
        parts.append({"type": "text", "text": text})


def as_parts(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return list(content)


def as_image(block: dict[str, Any]) -> dict[str, Any]:
    """A document becomes a placeholder too, as an image does: its bytes do not travel; one of plain text is text."""
    if block.get("type") != "document":
        return block
    source = as_record(block.get("source"))
    data = source.get("data")
    if source.get("type") == "text" and isinstance(data, str):
        return {"type": "text", "text": data}
    return {"type": "image", "source": source}


def show_part(part: Any) -> Any:
    """A block of a tool's result; a found tool or page is told by its name."""
    if not isinstance(part, dict):
        return part
    block = as_record(part)
    if block.get("type") == "tool_reference":
        return {"type": "text", "text": get_text(block, "tool_name") or ""}
    if block.get("type") in ("web_search_result", "search_result"):
        return {"type": "text", "text": "\n".join(text for key in ("title", "url") if (text := get_text(block, key)))}
    return as_image(block)
