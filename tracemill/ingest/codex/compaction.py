"""Codex compactions: the replacement history of a rollout → which earlier messages stayed in the context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from tracemill.ingest.codex.fields import HistoryItem
from tracemill.ingest.codex.file import Squeezed, get_content, list_texts, pick_text
from tracemill.ingest.codex.parts import Part, join_parts
from tracemill.ingest.json_fields import as_record
from tracemill.trace import Message, ToolCall

#: What an item of the history is found by: role and squeezed text, or ``call`` / ``output`` and the call's id.
KeptKey = tuple[str, str]
#: An item of the history: what it is found by, its texts as they are compared, and its content.
_Item = tuple[KeptKey | None, str, Any]
_PAIRED = ("call", "output")


class Entry(msgspec.Struct, eq=False, gc=False):
    """A message, or a model turn still being put together (``Turn``), at its place in the rollout.

    ``kept``: of a compaction, the entries of the new context in order, None for the compaction itself. ``number`` is
    the entry's number in the transcript once it has one.
    """

    NOWHERE: ClassVar[int] = -2

    line: int
    message: Message | None = None
    kept: list[Entry | None] | None = None
    is_base: bool = False
    number: int = NOWHERE


class Turn(Entry, eq=False, gc=False):
    """A model turn: text, reasoning and calls in the order in which they came."""

    timestamp: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: dict[str, int] | None = None
    parts: list[Part] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []

    @property
    def is_empty(self) -> bool:
        """Whether the turn says nothing at all, as where only withheld thoughts stood in it."""
        return not (self.parts or self.reasoning or self.calls)

    def add_reasoning(self, text: str) -> None:
        if text and not text.isspace():
            self.reasoning.append(text)

    def to_message(self) -> Message:
        content = join_parts(self.parts) if self.parts else ""
        reasoning = "\n\n".join(self.reasoning) if self.reasoning else None
        calls = tuple(self.calls)
        rest = (self.timestamp, self.model, self.stop_reason, self.usage)
        return Message("assistant", content, "model", reasoning, calls, None, None, *rest)


class Saying(msgspec.Struct, eq=False, gc=False):
    """Role and content of a message, and the entries that it became."""

    role: str
    content: Any
    added: list[Entry]
    _key: KeptKey | None = None

    def get_key(self, squeezed: Squeezed) -> KeptKey:
        """What an item of a history finds the message by: made once, however many compactions ask."""
        if self._key is None:
            self._key = (self.role, squeezed[" ".join(list_texts(self.content))])
        return self._key


#: The entries that an item of the history can be, by what finds them, in order.
_Places = dict[KeptKey | None, list[list[Entry]]]


@dataclass(frozen=True, slots=True)
class Restart:
    """A new context: the text of the compaction message and the entries that stayed."""

    text: str
    kept: list[Entry | None]


def restart_context(
    entries: Sequence[Entry], said: Sequence[Saying], history: Sequence[Any], summary: str | None, squeezed: Squeezed
) -> Restart:
    """Match a replacement history with the entries before it; what matches none is the text of the compaction.

    ``said`` tells which entries each message of the rollout became.
    """
    kept: list[Entry | None] = [entry for entry in entries if entry.is_base]
    texts = [summary] if summary else []
    known = {squeezed[text] for text in texts}
    items = [_read_item(item, squeezed) for item in history]
    places = _list_said(said, squeezed)
    pairs: _Places = {}  # most histories hold no calls
    if any(name is not None and name[0] in _PAIRED for name, _, _ in items):
        pairs = _list_pairs(entries, squeezed)
        for name, found in pairs.items():
            places.setdefault(name, []).extend(found)
    left = _take_latest(places, items)
    for name, words, content in items:
        if (waiting := left.get(name)) is not None:
            for entry in next(waiting, ()):
                kept.append(entry)
                if isinstance(entry, Turn) and entry.calls:
                    pairs = pairs or _list_pairs(entries, squeezed)
                    outputs = [("output", squeezed[call.id]) for call in entry.calls]
                    kept += [output for key in outputs if key in pairs for output in pairs[key][-1]]
            continue
        kept.append(None)
        if words not in known and (text := "\n\n".join(list_texts(content))):
            known.add(words)
            texts.append(text)
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


def _read_item(item: Any, squeezed: Squeezed) -> _Item:
    """An item of a history, of any shape."""
    if not isinstance(item, HistoryItem):
        record = as_record(item)
        item = HistoryItem(**{name: record.get(name) for name in HistoryItem.__struct_fields__})
    content = get_content(item)
    words = squeezed[" ".join(list_texts(content))] if content else ""
    kind = str(item.type or "message")
    if kind == "message":
        return (str(item.role), words), words, content
    if not kind.endswith(("_call", "_output")):
        return None, words, content
    call_id = squeezed[pick_text(item.call_id, item.id) or ""]
    return ("output" if kind.endswith("_output") else "call", call_id), words, content


def _take_latest(places: _Places, items: Sequence[_Item]) -> dict[KeptKey | None, Iterator[list[Entry]]]:
    """For each name the entries that it finds, each once: of those that say the same the latest ones, in order."""
    counts: dict[KeptKey | None, int] = {}
    for name, _, _ in items:
        if name in places:
            counts[name] = counts.get(name, 0) + 1
    return {name: iter(places[name][-count:]) for name, count in counts.items()}


def _list_said(said: Sequence[Saying], squeezed: Squeezed) -> _Places:
    """The entries of what was said by role and words, in order."""
    places: _Places = {}
    for saying in said:
        places.setdefault(saying.get_key(squeezed), []).append(saying.added)
    return places


def _list_pairs(entries: Sequence[Entry], squeezed: Squeezed) -> _Places:
    """The entries of calls and outputs by the id of the call, in order."""
    places: _Places = {}
    for entry in entries:
        message = entry.message
        if isinstance(entry, Turn):
            for call in entry.calls:
                places.setdefault(("call", squeezed[call.id]), []).append([entry])
        elif message is not None and message.role == "tool":
            places.setdefault(("output", squeezed[message.tool_call_id or ""]), []).append([entry])
    return places
