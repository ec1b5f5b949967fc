"""Content blocks of Codex items: text, and placeholders of images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tracemill.ingest.codex.fields import Block
from tracemill.ingest.codex.file import get_block_text
from tracemill.ingest.content_parts import Content, fold_parts, read_content
from tracemill.ingest.injected import split_user_text
from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.source import LossLog

#: Text, or the placeholder of an image.
Part = str | dict[str, Any]

_IMAGE_TAG = re.compile(r"\s*</?image\b[^<>]*>\s*")
#: Blocks that may lack text: empty ones, and those that the provider sealed.
_SILENT_BLOCKS = frozenset({"input_text", "output_text", "text", "encrypted_content"})


def read_parts(content: Any, log: LossLog, line: int) -> list[Part]:
    """Texts and image placeholders of a message's content; the tags that frame an image go."""
    parts: list[Part] = []
    for block in [content] if isinstance(content, str) else as_list(content):
        text = block.text if isinstance(block, Block) else None
        if not text or text.isspace():
            text = get_block_text(block)
        if text is not None:
            if "image" not in text or _IMAGE_TAG.fullmatch(text) is None:
                parts.append(text)
            continue
        record = msgspec.to_builtins(block) if isinstance(block, Block) else block
        if get_text(as_record(record), "type") not in _SILENT_BLOCKS:
            read = read_content([record], log, line)
            parts.extend(read if isinstance(read, tuple) else [])
    return parts


def split_words(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Parts of a user message: the person's, and what the harness put there, by the marks of the harness."""
    human: list[Part] = []
    injected: list[Part] = []
    for part in parts:
        if not isinstance(part, str):
            human.append(part)
            continue
        split = split_user_text(part)
        if split.human and not split.human.isspace():
            human.append(split.human)
        if split.injected:
            injected.append(split.injected)
    return human, injected


def split_named(value: Any, content: Any, log: LossLog, line: int) -> tuple[list[Part], list[Part]] | None:
    """The same of a message whose blocks are each named, as late versions do; None where they are not."""
    names = as_list(as_record(value.item_metadata).get("content_item_kinds"))
    blocks = as_list(content)
    if not names or len(names) != len(blocks) or not all(isinstance(name, str) and "." in name for name in names):
        return None
    own = [block for block, name in zip(blocks, names, strict=True) if name.startswith("user.")]
    others = [block for block, name in zip(blocks, names, strict=True) if not name.startswith("user.")]
    return read_parts(own, log, line), read_parts(others, log, line)


def join_parts(parts: Sequence[Part]) -> Content:
    """Parts as the content of a message."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return fold_parts([{"type": "text", "text": part} if isinstance(part, str) else part for part in parts])
