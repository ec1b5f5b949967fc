"""The model calls of one reply → conversations: the first prompt, and what each later call added to it.

Each prompt repeats the one before it, with the answer and the results of its calls. The answers are taken from the
spans that gave them, which hold thoughts and usage; the rest from the prompts. A call whose prompt shares nothing with
the others (a query rewritten for a search, say) is a conversation of its own.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.agentscope_studio.call_ids import name_calls
from tracemill.ingest.agentscope_studio.database import Span, read_attributes
from tracemill.ingest.agentscope_studio.prompts import PromptMessage, make_mark, read_prompt
from tracemill.ingest.agentscope_studio.replies import Reply
from tracemill.ingest.agentscope_studio.spans import (
    ToolAnswer,
    find_first_role,
    find_model,
    find_prompt,
    find_tools,
    read_answer,
    read_return_code,
    read_tool,
)
from tracemill.ingest.content_parts import join_contents
from tracemill.ingest.json_fields import get_text, parse_record
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.source import Loss, LossLog
from tracemill.trace import Message, ToolCall

#: How AgentScope up to 1.0.7 has a model answer: by calling this tool.
ANSWER_TOOL = "generate_response"


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a conversation. ``context``: the marks of the prompt that a summary opens."""

    mark: str
    message: Message | None
    losses: tuple[Loss, ...] = ()
    context: tuple[str, ...] | None = None


@dataclass(slots=True)
class Conversation:
    """``prompt`` is the first prompt whole, ``items`` what came after it.

    ``marks`` are those of the last prompt, ``extra`` those of what was said since, ``known`` all of the model's side.
    """

    prompt: list[PromptMessage]
    spans: list[Span] = field(default_factory=list[Span])
    items: list[Item] = field(default_factory=list[Item])
    marks: list[str] = field(default_factory=list[str])
    extra: list[str] = field(default_factory=list[str])
    known: set[str] = field(default_factory=set[str])
    tools: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    model: str | None = None
    failures: list[str] = field(default_factory=list[str])
    structured_output: dict[str, Any] | None = None
    has_answer_tool: bool = False

    def continues_with(self, prompt: Sequence[PromptMessage]) -> bool:
        """Whether a prompt of the same reply goes on with this conversation."""
        if any(item.is_summary or (item.is_model_side and item.mark in self.known) for item in prompt):
            return True
        return bool(self.marks) and count_shared(self.marks, prompt) == len(self.marks)

    def take_prompt(self, prompt: Sequence[PromptMessage], span: Span) -> None:
        """Take in what a prompt adds."""
        if self.spans:
            context = tuple(item.mark for item in prompt)
            for item in list_unseen(self.marks, self.extra, prompt):
                self.items.append(make_item(item, span.started_at, context))
        self.spans.append(span)
        self.marks = [item.mark for item in prompt]
        self.extra = []
        self.known.update(item.mark for item in prompt if item.is_model_side)

    def add_said(self, message: Message, losses: tuple[Loss, ...] = ()) -> None:
        """Take in a message that no prompt has held yet."""
        self.items.append(Item(make_mark(message), message, losses))
        self.note_said(make_mark(message))

    def note_said(self, mark: str) -> None:
        """Remember that later prompts may hold this."""
        self.extra.append(mark)
        self.known.add(mark)


def count_shared(marks: Sequence[str], prompt: Sequence[PromptMessage]) -> int:
    """How many messages a prompt has in common with an earlier one, from the start."""
    shared = 0
    while shared < min(len(marks), len(prompt)) and marks[shared] == prompt[shared].mark:
        shared += 1
    return shared


def list_unseen(marks: Sequence[str], extra: Sequence[str], prompt: Sequence[PromptMessage]) -> list[PromptMessage]:
    """What a prompt holds beyond an earlier one and what was said since; each message is matched once."""
    shared = count_shared(marks, prompt)
    is_whole = shared == len(marks)
    seen = Counter(extra if is_whole else (*marks, *extra))
    unseen: list[PromptMessage] = []
    for item in prompt[shared if is_whole else 0 :]:
        if seen[item.mark] > 0:
            seen[item.mark] -= 1
        else:
            unseen.append(item)
    return unseen


def make_item(item: PromptMessage, timestamp: str | None, context: tuple[str, ...] | None = None) -> Item:
    """A message of a prompt as one of a trace."""
    message = item.message
    if message is not None and message.role != "assistant":
        message = replace(message, timestamp=message.timestamp or timestamp)
    return Item(item.mark, message, item.losses, context if item.is_summary else None)


class ReplyReader:
    """Reads the model calls of one reply."""

    def __init__(self, database: sqlite3.Connection, reply: Reply, log: LossLog, made: list[ToolCall]) -> None:
        """``made``: the calls of earlier replies by the same agent; those of this one are added."""
        self.made = made
        self.database = database
        self.reply = reply
        self.log = log
        self.conversations: list[Conversation] = []
        self.call_count = 0

    def read(self) -> list[Conversation]:
        """The conversations of the reply, the main one first."""
        for span in self.reply.models:
            attributes = read_attributes(self.database, span, self.log)
            if attributes is not None:
                self._read_model(span, attributes)
        answers = self._read_tools()
        for conversation in self.conversations:
            if not self.reply.is_partial:
                close_answer(conversation, answers)
            add_results(conversation, answers)
            conversation.prompt = [_complete_prompt(item, answers) for item in conversation.prompt]
        main = max(self.conversations, key=lambda item: (len(item.spans), item.spans[0].start), default=None)
        return sorted(self.conversations, key=lambda item: item is not main)

    def _read_model(self, span: Span, attributes: dict[str, Any]) -> None:
        prompt = self._read_prompt(span, attributes)
        found = [item for item in self.conversations if item.continues_with(prompt)]
        if not prompt:
            found = self.conversations
        conversation = found[-1] if found else Conversation(prompt)
        if not found:
            self.conversations.append(conversation)
        conversation.take_prompt(prompt, span)
        conversation.tools.update((tool["function"]["name"], tool) for tool in find_tools(attributes))
        conversation.model = find_model(attributes, span.row) or conversation.model
        self._read_answer(span, attributes, conversation)

    def _read_prompt(self, span: Span, attributes: dict[str, Any]) -> list[PromptMessage]:
        given = find_prompt(attributes)
        if given is None:
            self.log.drop("malformed_record", detail=f"model span {span.id} without a list of messages"[:200])
            return []
        prompt = name_calls(read_prompt(given, self.log.path), self.made)
        first = prompt[0].message if prompt else None
        if first is not None and first.role == "user" and isinstance(given[0], dict) and "parts" in given[0]:
            # Gemini has no system role among its messages: the formatter's span tells what the first one was
            formatter = max((s for s in self.reply.formatters if s.start <= span.start), key=_get_start, default=None)
            told = read_attributes(self.database, formatter, LossLog(path="")) if formatter else None
            if told is not None and find_first_role(told) == "system":
                system = Message("system", first.content, "injected")
                prompt[0] = PromptMessage(make_mark(system), system, prompt[0].name, prompt[0].losses)
        return prompt

    def _read_answer(self, span: Span, attributes: dict[str, Any], conversation: Conversation) -> None:
        turn = ModelTurn(line=0, timestamp=span.ended_at, model=find_model(attributes, span.row))
        read_answer(attributes, turn, self.log)
        if span.is_failed:
            conversation.failures.append(span.message)
            self.log.drop("api_error_message", detail=f"model span {span.id}: {span.message}"[:500])
        elif turn.is_empty:
            self.log.drop("malformed_record", detail=f"model span {span.id} without an answer"[:200])
        if turn.is_empty:
            return
        message = turn.to_message()
        mark = make_mark(message)
        calls = list(message.tool_calls)
        self.made.extend(call for call in calls if call.id)
        for place, call in enumerate(calls):
            self.call_count += 1
            calls[place] = call if call.id else replace(call, id=f"call_{self.call_count}")
        conversation.items.append(Item(mark, replace(message, tool_calls=tuple(calls))))
        conversation.note_said(mark)

    def _read_tools(self) -> dict[str, ToolAnswer]:
        answers: dict[str, ToolAnswer] = {}
        for span in self.reply.tools:
            attributes = read_attributes(self.database, span, self.log)
            if attributes is not None:
                answer = read_tool(attributes, span.is_failed, span.ended_at, self.log.path)
                answers.setdefault(answer.call_id, answer)
        answers.pop("", None)
        return answers


def close_answer(conversation: Conversation, answers: dict[str, ToolAnswer]) -> None:
    """Read a closing call of the answer tool as the answer that it is."""
    last = conversation.items[-1].message if conversation.items else None
    calls = last.tool_calls if last is not None else ()
    call = next((call for call in calls if call.name == ANSWER_TOOL), None)
    arguments = parse_record(call.arguments) if call is not None else {}
    text = get_text(arguments, "response")
    if last is None or call is None or text is None:
        return
    others = tuple(item for item in calls if item is not call)
    said = join_contents([last.content, text]) if last.content and last.content != text else text
    if others:
        conversation.items[-1] = Item(conversation.items[-1].mark, replace(last, tool_calls=others))
        conversation.items.append(Item("", Message("assistant", text, timestamp=last.timestamp, model=last.model)))
    else:
        conversation.items[-1] = Item(conversation.items[-1].mark, replace(last, content=said, tool_calls=()))
    conversation.note_said(f"tool:{call.id}")
    conversation.note_said(make_mark(Message("assistant", text)))
    answers.pop(call.id, None)
    conversation.has_answer_tool = True
    conversation.structured_output = {key: value for key, value in arguments.items() if key != "response"} or None


def add_results(conversation: Conversation, answers: dict[str, ToolAnswer]) -> None:
    """Say of results when they came and whether they failed; add those that no prompt holds."""
    answered: set[str] = set()
    for place, item in enumerate(conversation.items):
        message = item.message
        if message is None or message.role != "tool":
            continue
        answered.add(message.tool_call_id or "")
        answer = answers.get(message.tool_call_id or "")
        conversation.items[place] = Item(item.mark, _complete(message, answer), item.losses)
    for item in list(conversation.items):
        for call in item.message.tool_calls if item.message is not None else ():
            answer = answers.get(call.id)
            if call.id not in answered and answer is not None and answer.content is not None:
                result = Message("tool", answer.content, "tool", tool_call_id=call.id)
                conversation.add_said(_complete(result, answer), answer.losses)


def _complete_prompt(item: PromptMessage, answers: dict[str, ToolAnswer]) -> PromptMessage:
    """A result that the first prompt holds already: of a call that this reply made in a span that is gone."""
    message = item.message
    answer = answers.get(message.tool_call_id or "") if message is not None and message.role == "tool" else None
    if message is None or answer is None:
        return item
    return PromptMessage(item.mark, _complete(message, answer), item.name, item.losses)


def _complete(message: Message, answer: ToolAnswer | None) -> Message:
    is_failed = answer.is_error if answer is not None else None
    flags = (message.is_error, is_failed, read_return_code(message.content))
    said = next((flag for flag in flags if flag is not None), None)
    return replace(message, is_error=said, timestamp=(answer.ended_at if answer else None) or message.timestamp)


def _get_start(span: Span) -> int:
    return span.start
