"""Messages in the order in which a source wrote them → messages in the order that a ``Trace`` promises.

Every tool call is followed by its result, in call order, wherever in the source the result stood.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from tracemill.ingest.json_fields import dump_json
from tracemill.ingest.source import LossLog
from tracemill.trace import SELF, Message, ToolCall, Trace

_Slot = tuple[int, int]


class Transcript(msgspec.Struct):
    """Collects the messages of one trace.

    ``add`` returns a number; a compaction's ``context`` names earlier messages by these numbers, and ``build`` turns
    them into positions in the finished trace. A result without ``tool_call_id`` belongs to the first call of the
    latest model turn that has none yet.
    """

    entries: list[tuple[Message, int | None]] = []

    def add(self, message: Message, line: int | None = None) -> int:
        self.entries.append((message, line))
        return len(self.entries) - 1

    def build_messages(self, log: LossLog) -> tuple[Message, ...]:
        """The messages in order; unpaired calls and results are logged."""
        in_order = self._list_in_order(log)
        return self._pair(log)[0] if in_order is None else in_order

    def build(self, log: LossLog) -> tuple[tuple[Message, ...], dict[int, int]]:
        """The messages in order, and where each added one went; unpaired calls and results are logged."""
        in_order = self._list_in_order(log)
        if in_order is not None:
            numbers = range(len(in_order))
            return in_order, dict(zip(numbers, numbers, strict=True))
        return self._pair(log)

    def _pair(self, log: LossLog) -> tuple[tuple[Message, ...], dict[int, int]]:
        answers = self._pair_plainly()
        results = self._pair_results(log) if answers is None else {}
        messages: list[Message] = []
        positions: dict[int, int] = {}
        has_context = False
        for number, (message, _) in enumerate(self.entries):
            if message.role == "tool":
                continue
            positions[number] = len(messages)
            messages.append(message)
            has_context = has_context or message.context is not None
            for place, call in enumerate(message.tool_calls):
                result = results.get((number, place)) if answers is None else answers.get(call.id)
                if result is None:
                    log.note("unpaired_call")
                    continue
                positions[result] = len(messages)
                answer = self.entries[result][0]
                messages.append(answer if answer.tool_call_id == call.id else replace(answer, tool_call_id=call.id))
        if has_context:
            messages = [
                message if message.context is None else _place_context(message, message.context, positions)
                for message in messages
            ]
        return tuple(messages), positions

    def _list_in_order(self, log: LossLog) -> tuple[Message, ...] | None:
        """The messages as they were added, where every result stands behind its call already; else None."""
        messages = tuple([message for message, _ in self.entries])
        calls: tuple[ToolCall, ...] = ()
        place = unpaired = 0
        for message in messages:
            if message.role == "tool":
                found = place
                while found < len(calls) and calls[found].id != message.tool_call_id:
                    found += 1
                # where calls of one turn share an id, the first without a result is meant: left to _pair_results
                if found == len(calls) or (found > place and len({call.id for call in calls}) < len(calls)):
                    return None
                place = found + 1
                unpaired -= 1
            elif message.context is None:
                calls, place = message.tool_calls, 0
                unpaired += len(calls)
            else:
                return None
        if unpaired:
            log.note("unpaired_call", unpaired)
        return messages

    def _pair_plainly(self) -> dict[str, int] | None:
        """Results by the id of their call; None where an id is no single call's or no single, later result's."""
        asked: set[str] = set()
        answers: dict[str, int] = {}
        for number, (message, _) in enumerate(self.entries):
            for call in message.tool_calls:
                if call.id in asked:
                    return None
                asked.add(call.id)
            if message.role == "tool":
                call_id = message.tool_call_id
                if call_id is None or call_id not in asked or call_id in answers:
                    return None
                answers[call_id] = number
        return answers

    def _pair_results(self, log: LossLog) -> dict[_Slot, int]:
        open_slots: dict[str, list[_Slot]] = {}
        latest = -1
        paired: dict[_Slot, int] = {}
        for number, (message, line) in enumerate(self.entries):
            for place, call in enumerate(message.tool_calls):
                open_slots.setdefault(call.id, []).append((number, place))
                latest = number
            if message.role != "tool":
                continue
            slot = self._take_slot(open_slots, message.tool_call_id, latest, paired)
            if slot is None:
                drop_result(message, line, log)
            else:
                paired[slot] = number
        return paired

    def _take_slot(
        self, open_slots: dict[str, list[_Slot]], call_id: str | None, latest: int, paired: dict[_Slot, int]
    ) -> _Slot | None:
        """The call that a result answers: of the latest turn that has one with this id, the first without a result."""
        if call_id is None:
            if latest < 0:
                return None
            places = range(len(self.entries[latest][0].tool_calls))
            free = [(latest, place) for place in places if (latest, place) not in paired]
        else:
            slots = open_slots.get(call_id, [])
            free = slots if len(slots) == 1 else [slot for slot in slots if slot[0] == slots[-1][0]]
        if not free:
            return None
        slot = free[0]
        open_slots[self.entries[slot[0]][0].tool_calls[slot[1]].id].remove(slot)
        return slot


def drop_result(message: Message, line: int | None, log: LossLog) -> None:
    """Log a result whose call is not in the trace."""
    content = message.content if isinstance(message.content, str) else dump_json(list(message.content))
    log.drop("unpaired_result", line, f"call id {message.tool_call_id!r}"[:200], content)


def finish_traces(traces: Sequence[Trace], log: LossLog) -> list[Trace]:
    """Put the file's losses on its first trace."""
    return [replace(trace, dropped=log.count_losses()) if n == 0 else trace for n, trace in enumerate(traces)]


def sum_tokens(messages: Sequence[Message], key: str) -> int | None:
    """The sum of ``input_tokens`` or ``output_tokens`` over model turns; None where no turn says."""
    counts = [message.usage[key] for message in messages if message.usage is not None and key in message.usage]
    return sum(counts) if counts else None


def _place_context(message: Message, context: tuple[int, ...], positions: dict[int, int]) -> Message:
    kept = (SELF if number == SELF else positions.get(number) for number in context)
    return replace(message, context=tuple(place for place in kept if place is not None))
