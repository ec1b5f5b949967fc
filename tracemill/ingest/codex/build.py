"""What a Codex rollout said, in order → messages: every result after its call, contexts as places."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tracemill.ingest.codex.compaction import Entry, Turn
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript, drop_result
from tracemill.trace import SELF, Message


def build_messages(entries: Sequence[Entry], log: LossLog) -> tuple[Message, ...]:
    """The messages in the order that a trace promises; most rollouts take the short way."""
    answers = _pair_plainly(entries, log)
    return _build_any(entries, log) if answers is None else _build_plain(entries, answers, log)


def _pair_plainly(entries: Sequence[Entry], log: LossLog) -> dict[str, Entry] | None:
    """Results by the id of their call, those without a call dropped; None where an id is no single call's."""
    asked: set[str] = set()
    answers: dict[str, Entry] = {}
    unpaired: list[Entry] = []
    for entry in entries:
        message = entry.message
        if isinstance(entry, Turn):
            for call in entry.calls:
                if call.id in asked:
                    return None
                asked.add(call.id)
        elif message is not None and message.role == "tool":
            call_id = message.tool_call_id
            if call_id is None:
                return None
            if call_id in asked and call_id not in answers:
                answers[call_id] = entry
            else:
                unpaired.append(entry)
    for entry in unpaired:
        if entry.message is not None:
            drop_result(entry.message, entry.line, log)
    return answers


def _build_plain(entries: Sequence[Entry], answers: dict[str, Entry], log: LossLog) -> tuple[Message, ...]:
    messages: list[Message] = []
    for entry in entries:
        message = entry.message
        if message is not None:
            if message.role != "tool":
                entry.number = len(messages)
                messages.append(message if entry.kept is None else _place_context(message, entry.kept))
        elif isinstance(entry, Turn) and not entry.is_empty:
            entry.number = len(messages)
            messages.append(entry.to_message())
            for call in entry.calls:
                answer = answers.get(call.id)
                if answer is None or answer.message is None:
                    log.note("unpaired_call")
                    continue
                answer.number = len(messages)
                messages.append(answer.message)
    return tuple(messages)


def _build_any(entries: Sequence[Entry], log: LossLog) -> tuple[Message, ...]:
    transcript = Transcript()
    for entry in entries:
        message = entry.message
        if isinstance(entry, Turn):
            message = None if entry.is_empty else entry.to_message()
        if message is None:
            continue
        if entry.kept is not None:
            message = _place_context(message, entry.kept)
        entry.number = transcript.add(message, entry.line)
    return transcript.build_messages(log)


def _place_context(message: Message, kept: Sequence[Entry | None]) -> Message:
    context = dict.fromkeys([SELF if entry is None else entry.number for entry in kept])
    context.pop(Entry.NOWHERE, None)
    return replace(message, context=tuple(context))
