"""Conversations that go on from a summary of themselves: parts of type ``compaction``, of a prompt or of an answer.

A part becomes a message of origin ``compaction`` with the summary as its text, empty where the provider keeps it to
itself. Its context is what the prompt holds up to it. One that came with an answer is told once, before that answer,
however often prompts repeat it; providers pass over what a prompt holds before it, but for the instructions.

Source: open-telemetry/semantic-conventions-genai, ``CompactionPart``; the guides to compaction of Anthropic and OpenAI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import as_list, as_record
from tracemill.ingest.prompt_tracker import Convert, PromptTracker
from tracemill.trace import SELF, Message

KIND = "compaction"


def has_compaction(item: Any) -> bool:
    """Whether an item of a prompt holds a summary of what was said before."""
    return any(part.get("type") == KIND for part in _list_parts(item))


def is_withheld(item: Any) -> bool:
    """Whether an item is nothing but a summary that is not told, nor named: any conversation may have the same."""
    parts = _list_parts(item)
    return bool(parts) and all(part.get("type") == KIND and not (part.keys() & {"id", "content"}) for part in parts)


def _list_parts(item: Any) -> list[dict[str, Any]]:
    record = as_record(item)
    return [as_record(part) for part in as_list(record.get("parts")) or as_list(record.get("content"))]


class CompactionTracker(PromptTracker):
    """A tracker of prompts to which summaries may belong: messages of origin ``compaction`` that items become."""

    def __init__(self, note_item: Callable[[bytes], None] | None = None) -> None:
        super().__init__(note_item)
        # summaries that came with answers: all of them, and those that no prompt has repeated yet by their text
        self._given: set[int] = set()
        self._open_summaries: dict[str, list[int]] = {}
        self._has_news = False

    def restart(self, summary: Message, line: int | None = None) -> None:
        """Add a summary that came with an answer, before any prompt repeats it."""
        number = len(self.transcript.entries)
        context = [*self._list_instructions(self._follow()), *([SELF] if summary.text else [])]
        self.transcript.add(replace(summary, context=tuple(context)), line)
        self._given.add(number)
        self._open_summaries.setdefault(summary.text, []).append(number)
        self._has_news = True

    def show(self, prompt: Sequence[Any], convert: Convert, line: int | None = None) -> None:
        """Take in the prompt of one request; a summary in it says itself what the context is from there on."""
        entries = self.transcript.entries
        before = len(entries)
        told: list[tuple[Any, int | None]] = []

        def convert_new(item: Any) -> Sequence[Message]:
            messages = convert(item)
            for message in messages:
                if message.origin == "compaction":
                    return [message for message in messages if not self._is_repeated(message, item, told)]
            return messages

        super().show(prompt, convert_new, line)
        is_marked = len(entries) > before and entries[-1][0].context is not None
        if not (told or self._has_news or (is_marked and self._given)):
            return
        repeated = [(item, number) for item, number in told if number is not None]
        fresh = [number for number in range(before, len(entries) - is_marked) if _is_summary(entries[number][0])]
        self._has_news = False
        for item, number in repeated:
            place = next(place for place, other in enumerate(prompt) if other is item)
            self._groups[place].insert(0, number)
        if is_marked:
            entries.pop()
        self._place_summaries(fresh, line)

    def _is_repeated(self, message: Message, item: Any, told: list[tuple[Any, int | None]]) -> bool:
        """Whether a message is a summary that came with an answer; summaries are noted, new ones without a number."""
        if not _is_summary(message):
            return False
        held = self._open_summaries.get(message.text)
        told.append((item, held.pop(0) if held else None))
        return told[-1][1] is not None

    def _place_summaries(self, fresh: Sequence[int], line: int | None) -> None:
        """Tell each new summary's context; where the prompt is another one all the same, it is marked as ever."""
        entries = self.transcript.entries
        context = self._list_context()
        for number in fresh:
            message, place = entries[number]
            kept = tuple(SELF if held == number else held for held in self._list_until(number, context))
            entries[number] = (replace(message, context=kept), place)
        if not self._is_same(self._follow(), context):
            self.transcript.add(Message("user", "", "compaction", context=tuple(context)), line)

    def _list_context(self) -> list[int]:
        """What the model saw of the prompt; summaries that the provider keeps to itself say nothing."""
        numbers = [number for group in self._groups for number in group]
        start = next((place for place in reversed(range(len(numbers))) if numbers[place] in self._given), 0)
        seen = [*self._list_instructions(numbers[:start]), *numbers[start:]]
        entries = self.transcript.entries
        return [number for number in seen if entries[number][0].origin != "compaction" or entries[number][0].text]

    def _list_instructions(self, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if self.transcript.entries[number][0].role == "system"]

    def _list_until(self, end: int, context: Sequence[int]) -> list[int]:
        """What of a context was told up to a number; a result belongs to its call, however late it came."""
        kept: list[int] = []
        has_turn = False
        for number in context:
            is_result = self.transcript.entries[number][0].role == "tool"
            if number <= end or (is_result and has_turn):
                kept.append(number)
            has_turn = has_turn if is_result else number <= end
        return kept

    def _follow(self) -> list[int]:
        """What the model would see by the messages alone, as ``Trace.contexts`` has it."""
        entries = self.transcript.entries
        start = next((number for number in reversed(range(len(entries))) if entries[number][0].context is not None), -1)
        context = entries[start][0].context if start >= 0 else None
        seen = [start if held == SELF else held for held in context or ()]
        asked: set[str | None] = set()
        for number in range(start + 1, len(entries)):
            message = entries[number][0]
            if message.role == "assistant":
                asked.update([None, *(call.id for call in message.tool_calls)])
            # a result stands after its call, be it before the summary
            if start < 0 or message.role != "tool" or message.tool_call_id in asked:
                seen.append(number)
        return seen

    def _is_same(self, one: Sequence[int], two: Sequence[int]) -> bool:
        """Whether two contexts hold the same; results stand in the order of their calls, wherever they came."""
        entries = self.transcript.entries
        said = ([number for number in numbers if entries[number][0].role != "tool"] for numbers in (one, two))
        return set(one) == set(two) and next(said) == next(said)


def _is_summary(message: Message) -> bool:
    return message.origin == "compaction" and message.context is None
