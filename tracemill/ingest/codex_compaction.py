"""Codex compactions: the replacement history of a rollout → which earlier messages stayed in the context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tracemill.ingest.codex_rows import get_content, list_texts, squeeze
from tracemill.ingest.json_fields import as_record, get_text
from tracemill.ingest.model_turn import ModelTurn
from tracemill.trace import Message

#: What an item of the history is found by: role and squeezed text, or ``call`` / ``output`` and the call's id.
KeptKey = tuple[str, str]


@dataclass(slots=True)
class Entry:
    """A message, or a model turn still being put together, at its place in the rollout.

    ``kept``: of a compaction, the entries of the new context in order, None for the compaction itself. ``number`` is
    the entry's number in the transcript once it has one.
    """

    NOWHERE: ClassVar[int] = -2

    line: int
    message: Message | None = None
    turn: ModelTurn | None = None
    kept: list[Entry | None] | None = None
    is_base: bool = False
    is_mark: bool = False
    number: int = NOWHERE


@dataclass(frozen=True, slots=True)
class Restart:
    """A new context: the text of the compaction message and the entries that stayed."""

    text: str
    kept: list[Entry | None]


def restart_context(
    entries: Sequence[Entry], keys: Mapping[KeptKey, Sequence[Entry]], history: Sequence[Any], summary: str | None
) -> Restart:
    """Match a replacement history with the entries before it; what matches none is the text of the compaction."""
    kept: list[Entry | None] = [entry for entry in entries if entry.is_base]
    texts = [summary] if summary else []
    known = set(map(squeeze, texts))
    for item in map(as_record, history):
        texts_of_item = list_texts(get_content(item))
        found = keys.get(_name_key(item, texts_of_item))
        if found:
            kept.extend(found)
            calls = [call.id for entry in found if entry.turn is not None for call in entry.turn.calls]
            kept.extend(output for call_id in calls for output in keys.get(("output", squeeze(call_id)), ()))
            continue
        text = "\n\n".join(texts_of_item)
        if text and (words := squeeze(text)) not in known:
            known.add(words)
            texts.append(text)
        kept.append(None)
    if None not in kept:
        kept.append(None)
    return Restart("\n\n".join(texts), kept)


def _name_key(item: dict[str, Any], texts: Sequence[str]) -> KeptKey:
    kind = str(item.get("type") or "message")
    if kind == "message":
        return (str(item.get("role")), squeeze(" ".join(texts)))
    call_id = squeeze(get_text(item, "call_id", "id") or "")
    return ("output" if kind.endswith("_output") else "call", call_id)
