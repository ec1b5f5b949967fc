"""Message content of any common shape → text, or text parts and image placeholders.

Read here: a string, a list of strings and blocks, a single block. Text blocks are ``text``, ``input_text`` and
``output_text``; images are Anthropic's ``source``, OpenAI's ``image_url`` and ``input_image``, Pi's ``data`` with
``mimeType``, ATIF's ``source.path``. The bytes of an image do not travel; its type and size do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracemill.ingest.json_fields import as_record, dump_json, get_text
from tracemill.ingest.source import LossLog

Content = str | tuple[dict[str, Any], ...]

# tuples: a type that is no string cannot be looked up in a set
_TEXT_TYPES = ("text", "input_text", "output_text")
_IMAGE_TYPES = ("image", "image_url", "input_image")


def read_content(value: Any, log: LossLog, line: int | None = None) -> Content:
    """Content of a message; blocks of unknown type are logged, what is no block at all is shown as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return fold_parts([part for block in value for part in _read_block(block, log, line)])  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict) and isinstance(value.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        return fold_parts(list(_read_block(value, log, line)))
    return dump_json(value)


def fold_parts(parts: Sequence[dict[str, Any]]) -> Content:
    """One string where there is only text, else the parts; blank text between parts goes."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    told = [part for part in parts if part["type"] != "text" or part["text"].strip()]
    if any(part["type"] != "text" for part in told):
        return tuple(told)
    return "\n\n".join(part["text"] for part in told)


def join_contents(contents: Sequence[Content]) -> Content:
    """Several contents as one."""
    parts: list[dict[str, Any]] = []
    for content in contents:
        parts.extend([{"type": "text", "text": content}] if isinstance(content, str) else content)
    return contents[0] if len(contents) == 1 else fold_parts(parts)


def _read_block(block: Any, log: LossLog, line: int | None) -> Iterator[dict[str, Any]]:
    if isinstance(block, str):
        yield {"type": "text", "text": block}
        return
    record = as_record(block)
    kind = record.get("type")
    if isinstance(record.get("text"), str) and (kind is None or kind in _TEXT_TYPES):
        yield {"type": "text", "text": record["text"]}
    elif kind in _IMAGE_TYPES:
        yield _describe_image(record)
    else:
        log.drop("unknown_content_block", line, f"type {kind!r}"[:200], dump_json(block))


def _describe_image(block: Mapping[str, Any]) -> dict[str, Any]:
    source = as_record(block.get("source"))
    media_type = get_text(source, "media_type", "mediaType") or get_text(block, "mimeType", "mime_type", "media_type")
    data = get_text(source, "data") or get_text(block, "data")
    link = block.get("image_url")
    link = link if isinstance(link, str) else get_text(as_record(link), "url")
    link = link or get_text(source, "url", "path") or get_text(block, "url")
    if data is None and link is not None and link.startswith("data:"):
        head, _, data = link.partition(",")
        media_type = media_type or head.removeprefix("data:").partition(";")[0] or None
    size = 0 if data is None else _measure_base64(data)
    part: dict[str, Any] = {"type": "image", "media_type": media_type or "unknown", "size_bytes": size}
    return part if data is not None or link is None else {**part, "url": link}


def _measure_base64(text: str) -> int:
    """Size in bytes of what base64 text decodes to."""
    return len(text.rstrip("=\r\n ")) * 3 // 4
