"""Replies and threads of AgentScope → traces: one a reply, or one a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.agentscope_studio.conversations import ANSWER_TOOL, Conversation, Item, ReplyReader
from tracemill.ingest.agentscope_studio.database import Run, Span, list_spans, read_attributes, read_run_row
from tracemill.ingest.agentscope_studio.replies import Reply, group_spans, name_replies
from tracemill.ingest.agentscope_studio.spans import find_continued_id, read_agent, read_inputs
from tracemill.ingest.agentscope_studio.threads import Agent, Part, Thread, Threads
from tracemill.ingest.json_fields import get_text
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript, sum_tokens
from tracemill.trace import SELF, Message, ToolCall, Trace

SOURCE_KIND = "agentscope_studio"
_RUNNING = ("running", "pending")


class RunReader:
    """Reads one run. ``by``: ``reply`` or ``run``."""

    def __init__(self, database: sqlite3.Connection, run: Run, path: Path, log: LossLog, by: str) -> None:
        self.database = database
        self.run = run
        self.path = path
        self.log = log
        self.by = by
        self.row = read_run_row(database, run.id, log)
        self.threads = Threads()
        self.names: dict[str, str] = {}
        self.made: dict[tuple[str | None, str | None], list[ToolCall]] = {}

    def read(self) -> Iterator[Trace]:
        """The traces of the run, in order of their start."""
        spans = list_spans(self.database, self.run, self.log)
        replies = group_spans(spans, self._find_continued(spans), self.log)
        if not replies:
            self.log.drop("no_messages", detail=f"run {self.run.id} has no span of a model"[:200])
        self.names = name_replies(replies)
        asides: list[tuple[Reply, Agent, Conversation]] = []
        for reply in replies:
            agent = self._read_agent(reply)
            made = self.made.setdefault((agent.id, agent.name), [])
            conversations = ReplyReader(self.database, reply, self.log, made).read()
            if not conversations:
                continue
            part = self.threads.add(reply, agent, conversations[0])
            if self.by == "run":
                asides += [(reply, agent, aside) for aside in conversations[1:]]
                continue
            yield from self._build([part], self.names[reply.key])
            yield from self._build_asides([(reply, agent, aside) for aside in conversations[1:]])
        if self.by == "run":
            yield from self._build_threads()
            yield from self._build_asides(asides)

    def _find_continued(self, spans: Sequence[Span]) -> dict[str, Span]:
        """Agents' spans that go on with a reply that had waited, by their ids, with the first span of that reply."""
        first: dict[str, Span] = {}
        continued: dict[str, Span] = {}
        for span in spans:
            version = span.row.get("instrumentationVersion")
            if span.kind != "agent" or not isinstance(version, bytes) or version.startswith((b"0.", b"1.")):
                continue
            attributes = read_attributes(self.database, span, LossLog(path="")) or {}
            reply_id, is_continued = find_continued_id(attributes)
            if reply_id is not None and is_continued and reply_id in first:
                continued[span.id] = first[reply_id]
            elif reply_id is not None:
                first[reply_id] = span
        return continued

    def _read_agent(self, reply: Reply) -> Agent:
        if reply.owner is None:
            return Agent(None, None)
        attributes = read_attributes(self.database, reply.owner, self.log) or {}
        agent_id, name = read_agent(attributes)
        return Agent(agent_id, name, tuple(read_inputs(attributes)))

    def _build_threads(self) -> Iterator[Trace]:
        """One trace a thread; the first agent's has the run's id."""
        own_names = dict(self.names)
        is_first = True
        for thread in self.threads.found:
            first = thread.parts[0].reply
            is_main = is_first and first.parent_key is None
            name = self.run.id if is_main else f"{self.run.id}:{own_names[first.key]}"
            is_first = is_first and not is_main
            for part in thread.parts:
                self.names[part.reply.key] = name
        for thread in self.threads.found:
            yield from self._build(thread.parts, self.names[thread.parts[0].reply.key])

    def _build_asides(self, asides: Sequence[tuple[Reply, Agent, Conversation]]) -> Iterator[Trace]:
        """Conversations that the program held with a model beside the agent's own."""
        for reply, agent, conversation in asides:
            part = Thread(agent, reply.key).add(reply, agent, conversation)
            trace_id = f"{self.names[reply.key]}:{conversation.spans[0].id}"
            for trace in self._build([part], trace_id):
                owner = agent.id or agent.name or reply.key
                yield replace(trace, is_sidechain=True, agent_id=owner, parent_trace_id=self.names[reply.key])

    def _build(self, parts: Sequence[Part], trace_id: str) -> Iterator[Trace]:
        messages = self._list_messages(parts)
        first, last = parts[0], parts[-1]
        ends = [part.reply.ended_at for part in parts if part.reply.ended_at]
        parent = first.reply.parent_key
        conversations = [part.conversation for part in parts]
        is_live = self.by == "run" and get_text(self.row, "status") in _RUNNING
        trace = Trace(
            trace_id=trace_id,
            source_kind=SOURCE_KIND,
            source_path=str(self.path),
            root_session_id=self.run.id,
            messages=messages,
            agent_id=(first.agent.id or first.agent.name or first.reply.key) if parent is not None else None,
            is_sidechain=parent is not None,
            parent_trace_id=self.names[parent] if parent is not None else None,
            cwd=get_text(self.row, "run_dir"),
            started_at=first.reply.started_at,
            ended_at=max(ends, default=None),
            source_meta=self._describe(parts),
            model=next((name for item in reversed(conversations) if (name := item.model)), None),
            tools=_list_tools(conversations),
            input_tokens=sum_tokens(messages, "input_tokens"),
            output_tokens=sum_tokens(messages, "output_tokens"),
            is_partial=is_live or last.reply.is_partial,
        )
        if messages:
            yield trace
        else:
            self.log.drop("no_messages", detail=f"trace {trace_id}"[:200])

    def _list_messages(self, parts: Sequence[Part]) -> tuple[Message, ...]:
        said: list[tuple[Item, Message]] = []
        for number, part in enumerate(parts):
            items = list(part.system) if number == 0 or part.is_system_new else []
            for item in (*items, *part.older, *part.opening, *part.conversation.items):
                self.log.losses.extend(item.losses)
                if item.message is not None:
                    said.append((item, item.message))
        transcript = Transcript()
        for number, (item, message) in enumerate(said):
            transcript.add(message if item.context is None else _open_context(number, item.context, said))
        return transcript.build_messages(self.log)

    def _describe(self, parts: Sequence[Part]) -> dict[str, Any]:
        first, row = parts[0], self.row
        failures = [failure for part in parts for failure in part.conversation.failures]
        outputs = [part.conversation.structured_output for part in parts if part.conversation.structured_output]
        version = first.conversation.spans[0].row.get("instrumentationVersion")
        meta: dict[str, Any] = {
            "run_id": self.run.id,
            "project": get_text(row, "project"),
            "run_name": get_text(row, "name"),
            "run_status": get_text(row, "status"),
            "agent_name": first.agent.name,
            "agent_id": first.agent.id,
            "agentscope_version": version.decode("utf-8", "replace") if isinstance(version, bytes) else None,
            "reply_number": first.number if self.by == "reply" else None,
            "reply_ids": [part.reply.trace_id for part in parts] if self.by == "run" else None,
            "earlier_messages": first.carried or None,
            "model_failures": failures or None,
            "structured_outputs": outputs or None,
            "answer_tool": ANSWER_TOOL if any(part.conversation.has_answer_tool for part in parts) else None,
        }
        return {key: value for key, value in meta.items() if value is not None}


def _open_context(number: int, context: Sequence[str], said: Sequence[tuple[Item, Message]]) -> Message:
    """A summary of what was taken out of the memory, with what its prompt still holds of all that came before it."""
    called = {call.id for _, message in said[:number] for call in message.tool_calls}
    places = {
        item.mark: place
        for place, (item, message) in enumerate(said)
        if place < number or (message.role == "tool" and message.tool_call_id in called)
    }
    own = said[number][0].mark
    kept = (SELF if mark == own else places.get(mark) for mark in context)
    numbers = tuple(place for place in kept if place is not None)
    return replace(said[number][1], origin="compaction", context=numbers)


def _list_tools(conversations: Sequence[Conversation]) -> tuple[dict[str, Any], ...]:
    """All tools that were offered, without the one that only carried the answer."""
    tools: dict[str, dict[str, Any]] = {}
    for conversation in conversations:
        tools.update(conversation.tools)
    if any(conversation.has_answer_tool for conversation in conversations):
        tools.pop(ANSWER_TOOL, None)
    return tuple(tools.values())
