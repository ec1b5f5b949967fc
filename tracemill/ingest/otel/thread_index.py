"""Which thread of a scope a request goes on from: one that knows its prompt, or whose calls it answers.

All is looked up by what a prompt holds, never thread by thread, so that the time grows with what is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.otel.compaction import CompactionTracker, has_compaction, is_withheld
from tracemill.ingest.otel.parts import convert_item
from tracemill.ingest.otel.scopes import CONVERSATION
from tracemill.ingest.otel.spans import Span
from tracemill.ingest.otel.values import get_attribute, get_attribute_text
from tracemill.ingest.prompt_tracker import describe_turn, hash_item
from tracemill.ingest.source import LossLog
from tracemill.trace import Message

_FEW = 8
_COMPACTED = "gen_ai.conversation.compacted"
_Key = TypeVar("_Key", str, bytes)


@dataclass(slots=True, eq=False)
class Thread:
    """Requests that share a history; ``number`` counts the threads of a scope."""

    first: Span
    number: int
    tracker: CompactionTracker
    spans: list[Span] = field(default_factory=list[Span])
    trace_ids: set[str] = field(default_factory=set[str])
    failures: dict[str, bool] = field(default_factory=dict[str, bool])
    tools: tuple[dict[str, Any], ...] = ()
    evaluations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class ThreadIndex:
    """The threads of a scope in the order in which they began."""

    def __init__(self, root_id: str, path: Path) -> None:
        self.threads: list[Thread] = []
        self._root_id = root_id
        self._aside = LossLog(str(path))
        # numbers of threads, ascending
        self._by_item: dict[bytes, list[int]] = {}
        self._by_turn: dict[bytes, list[int]] = {}
        self._by_trace: dict[str, list[int]] = {}
        self._by_call: dict[str, list[int]] = {}
        self._walked: dict[str, tuple[int, int]] = {}
        # how many spans there were when each thread last spoke, which was the last of them last
        self._span_count = 0
        self._recent: dict[int, int] = {}

    def find(self, span: Span, prompt: Sequence[Any]) -> tuple[Thread, bool]:
        """The thread that a prompt goes on from, or a new one; and whether it holds only what is new since then."""
        told = [item for item in prompt if not is_system(item)]
        thread = self._find_known(span, told)
        if thread is not None:
            return thread, not prompt
        answered = (self._by_call.get(key) for item in told for key in _list_answers(item))
        number = max((numbers[-1] for numbers in answered if numbers), default=-1)
        is_new = any(map(has_compaction, prompt))
        if number < 0 and is_new:
            number = self._find_compacted(span, prompt)
        number = max(number, -1 if is_new else self._find_last_turn(span))
        if number < 0 and get_attribute(span.attributes, _COMPACTED) is True:
            is_new = True
            number = self._find_compacted(span, prompt, is_marked_alone=True)
        if number >= 0:
            # where the provider keeps the history a full prompt is not told
            return self.threads[number], not is_new and not any(map(is_answer, told))
        number = len(self.threads)
        self.threads.append(Thread(span, number, CompactionTracker(partial(_enter, self._by_item, number))))
        return self.threads[number], False

    def find_caller(self, call_id: str) -> Thread | None:
        """The latest thread with a call."""
        numbers = self._by_call.get(call_id)
        return self.threads[numbers[-1]] if numbers else None

    def add_span(self, thread: Thread, span: Span) -> None:
        """Enter a span as the last of a thread."""
        old = thread.spans[-1].trace_id if thread.spans else span.trace_id
        last, below = self._walked.get(old, (-1, -1))
        if old != span.trace_id and below < thread.number <= last:
            self._walked[old] = (last, thread.number)
        self._recent.pop(thread.number, None)
        self._span_count += 1
        self._recent[thread.number] = self._span_count
        thread.spans.append(span)
        thread.trace_ids.add(span.trace_id)
        _enter(self._by_trace, thread.number, span.trace_id)

    def add_turn(self, thread: Thread, turn: Message) -> None:
        """Enter what the model said."""
        for call in turn.tool_calls:
            _enter(self._by_call, thread.number, call.id)
        if is_in_session(thread.first, self._root_id):
            _enter(self._by_turn, thread.number, describe_turn(turn))

    def _find_known(self, span: Span, told: Sequence[Any]) -> Thread | None:
        """The latest thread that knows the first item that any knows, unless only the session is the same."""
        is_loose = is_in_session(span, self._root_id)
        if not told:
            numbers = self._by_trace.get(span.trace_id, ()) if is_loose else range(len(self.threads))
            return self.threads[numbers[-1]] if numbers else None
        turns: set[bytes] | None = None
        for item in told:
            key = hash_item(item)
            numbers = self._by_item.get(key)
            if not numbers or is_withheld(item):
                continue
            if not is_loose:
                return self.threads[numbers[-1]]
            turns = self._list_turns(told, span) if turns is None else turns
            number = self._pick_akin(key, numbers, span.trace_id, turns)
            if number >= 0:
                return self.threads[number]
        return None

    def _list_turns(self, told: Sequence[Any], span: Span) -> set[bytes]:
        items = filter(is_answer, told)
        messages = (message for item in items for message in convert_item(item, self._aside, span.line, None))
        return {describe_turn(message) for message in messages if message.role == "assistant"}

    def _pick_akin(self, key: bytes, numbers: Sequence[int], trace_id: str, turns: Iterable[bytes]) -> int:
        """The latest thread that knows an item and is of the same trace, or said a turn that is repeated now; or -1."""

        def is_akin(thread: Thread) -> bool:
            return trace_id in thread.trace_ids or any(map(thread.tracker.has_said, turns))

        listed = [self._by_trace.get(trace_id, []), *(self._by_turn.get(turn, []) for turn in turns)]
        if sum(map(len, listed)) >= len(numbers):
            return next((number for number in reversed(numbers) if is_akin(self.threads[number])), -1)
        # the shorter of the two ways: few threads may be akin where many begin with the same words
        for turn in turns:
            held = self._by_turn.get(turn, [])
            while held and not self.threads[held[-1]].tracker.has_said(turn):
                held.pop()
        both = (
            next((n for n in reversed(some) if self.threads[n].tracker.has_item(key) and is_akin(self.threads[n])), -1)
            for some in listed
        )
        return max(both, default=-1)

    def _find_compacted(self, span: Span, prompt: Sequence[Any], *, is_marked_alone: bool = False) -> int:
        """The thread that a prompt without its history goes on from; -1 where there is none.

        Of those with the prompt's instructions it is the one that spoke last; where none has them the last of all,
        unless nothing in the prompt says that it goes on (``is_marked_alone``).
        """
        is_loose = is_in_session(span, self._root_id)
        recent = (n for n in reversed(self._recent) if not is_loose or span.trace_id in self.threads[n].trace_ids)
        keys = [hash_item(item) for item in prompt if is_system(item) and not has_compaction(item)]
        last = next(recent, -1)
        if not keys or last < 0:
            return last
        held = min((self._by_item.get(key, []) for key in keys), key=len)
        # the shorter of two ways: few threads may have these instructions, or the one that does spoke just now
        few = sorted(held, key=self._recent.__getitem__, reverse=True) if len(held) <= _FEW else None
        for number in [last, *few] if few is not None else chain([last], recent):
            is_akin = not is_loose or span.trace_id in self.threads[number].trace_ids
            if is_akin and all(map(self.threads[number].tracker.has_item, keys)):
                return number
        return -1 if is_marked_alone else last

    def _find_last_turn(self, span: Span) -> int:
        """The latest thread whose last span is of another trace of the same conversation; -1 where there is none.

        ``_walked`` keeps for a trace how far back all threads are of the same trace or of no conversation.
        """
        own = get_attribute_text(span.attributes, CONVERSATION)
        if own is None:
            return -1
        last, below = self._walked.get(span.trace_id, (-1, -1))
        number = len(self.threads) - 1
        while number >= 0:
            number = below if below < number <= last else number
            if number < 0 or self._is_turn_before(self.threads[number], span, own):
                break
            number -= 1
        self._walked[span.trace_id] = (len(self.threads) - 1, number)
        return number

    def _is_turn_before(self, thread: Thread, span: Span, own: str) -> bool:
        is_same = get_attribute_text(thread.first.attributes, CONVERSATION) == own
        return is_same and thread.spans[-1].trace_id != span.trace_id


def is_system(item: Any) -> bool:
    """Whether an item of a prompt instructs the model."""
    return as_record(item).get("role") in ("system", "developer")


def is_answer(item: Any) -> bool:
    """Whether an item of a prompt is what a model said."""
    return as_record(item).get("role") in ("assistant", "model")


def is_in_session(span: Span, root_id: str) -> bool:
    """Whether nothing but its session puts a span where it is."""
    return span.session == root_id and get_attribute_text(span.attributes, CONVERSATION) is None


def _list_answers(item: Any) -> list[str]:
    """The ids of the calls that an item of a prompt answers."""
    record = as_record(item)
    own = get_text(record, "tool_call_id", "id") if record.get("role") == "tool" else None
    parts = map(as_record, as_list(record.get("parts")))
    inner = [get_text(part, "id") for part in parts if str(part.get("type", "")).endswith("tool_call_response")]
    return [key for key in (own, *inner) if key is not None]


def _enter(index: dict[_Key, list[int]], number: int, key: _Key) -> None:
    """Put a number in its place under a key, once."""
    numbers = index.setdefault(key, [])
    place = bisect_left(numbers, number)
    if place == len(numbers) or numbers[place] != number:
        numbers.insert(place, number)
