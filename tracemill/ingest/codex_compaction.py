"""Codex compactions: the replacement history of a rollout → which earlier messages stayed in the context."""

from __future__ import annotations

from collections import Counter
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
    number: int = NOWHERE


@dataclass(frozen=True, slots=True)
class Restart:
    """A new context: the text of the compaction message and the entries that stayed."""

    text: str
    kept: list[Entry | None]


def restart_context(
    entries: Sequence[Entry],
    keys: Mapping[KeptKey, Sequence[list[Entry]]],
    history: Sequence[Any],
    summary: str | None,
) -> Restart:
    """Match a replacement history with the entries before it; what matches none is the text of the compaction."""
    kept: list[Entry | None] = [entry for entry in entries if entry.is_base]
    texts = [summary] if summary else []
    known = set(map(squeeze, texts))
    told = [(item, list_texts(get_content(item))) for item in map(as_record, history)]
    for found, (_, texts_of_item) in zip(_match(keys, told), told, strict=True):
        if found is not None:
            kept.extend(found)
            calls = [call.id for entry in found if entry.turn is not None for call in entry.turn.calls]
            outputs = [keys[key][-1] for call_id in calls if (key := ("output", squeeze(call_id))) in keys]
            kept.extend(output for group in outputs for output in group)
            continue
        text = "\n\n".join(texts_of_item)
        if text and (words := squeeze(text)) not in known:
            known.add(words)
            texts.append(text)
        kept.append(None)
    if None not in kept:
        kept.append(None)
    return Restart("\n\n".join(texts), kept)


def keep_words(entries: Sequence[Entry]) -> list[Entry | None]:
    """The context that a compaction without a history leaves: of the latest context the system messages and what the
    person said, then the summary."""
    start = next((place for place in range(len(entries) - 1, -1, -1) if entries[place].kept is not None), None)
    context = list(entries) if start is None else [entry for entry in entries[start].kept or () if entry is not None]
    context += [] if start is None else entries[start + 1 :]
    said = [entry for entry in context if entry.message is not None]
    words = [entry for entry in said if entry.message and entry.message.origin == "human"]
    return [*(entry for entry in said if entry.message and entry.message.role == "system"), *words, None]


def _match(
    keys: Mapping[KeptKey, Sequence[list[Entry]]], told: Sequence[tuple[dict[str, Any], list[str]]]
) -> list[list[Entry] | None]:
    """For each item of a history the entries that it is, each once: of those that say the same the latest ones, in
    order; none where all are taken, and None where nothing before says the same."""
    names = [_name_key(item, texts) for item, texts in told]
    counts = Counter(names)
    left = {key: iter(keys[key][-counts[key] :]) for key in counts if key is not None and key in keys}
    return [next(left[key], []) if key is not None and key in left else None for key in names]


def _name_key(item: dict[str, Any], texts: Sequence[str]) -> KeptKey | None:
    kind = str(item.get("type") or "message")
    if kind == "message":
        return (str(item.get("role")), squeeze(" ".join(texts)))
    if not kind.endswith(("_call", "_output")):
        return None
    return ("output" if kind.endswith("_output") else "call", squeeze(get_text(item, "call_id", "id") or ""))
