"""Spans of a run → replies: the model calls, tool calls and prompts that belong to one reply of one agent.

A span belongs to the nearest agent above it; what an agent of AgentScope 2 did after it had waited for a person or for
another program, to the reply that waited. What a tool asks a model by itself is a reply of its own, below the one
that called the tool. A span arrives when its work is done: spans whose agent is not there yet make a partial reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracemill.ingest.agentscope_studio.database import Span
from tracemill.ingest.source import LossLog


@dataclass(slots=True)
class Reply:
    """One reply: ``owner`` is the agent's (or tool's) span, None where it has not arrived or a model was asked alone.

    ``parent_key`` is the key of the reply from within which this one was asked for, ``last_owner`` the agent's span in
    which it ended, where it waited in between.
    """

    key: str
    trace_id: str
    owner: Span | None = None
    last_owner: Span | None = None
    parent_key: str | None = None
    is_partial: bool = False
    models: list[Span] = field(default_factory=list[Span])
    tools: list[Span] = field(default_factory=list[Span])
    formatters: list[Span] = field(default_factory=list[Span])

    @property
    def start(self) -> int:
        """When it began, in nanoseconds since 1970."""
        return self.owner.start if self.owner else min((span.start for span in self.models), default=0)

    @property
    def started_at(self) -> str | None:
        """When it began."""
        first = self.owner or min(self.models, key=lambda span: span.start, default=None)
        return first.started_at if first else None

    @property
    def ended_at(self) -> str | None:
        """When it ended; of a partial one, when its last part did."""
        if self.owner:
            return (self.last_owner or self.owner).ended_at
        return max((span.ended_at for span in (*self.models, *self.tools) if span.ended_at), default=None)


def group_spans(spans: Sequence[Span], continued: Mapping[str, Span], log: LossLog) -> list[Reply]:
    """The replies that asked a model, in order of their start; agents that never did are logged.

    ``continued``: by its id, the first span of the reply that an agent's span goes on with.
    """
    by_id = {span.id: span for span in spans}
    replies: dict[str, Reply] = {}
    agents: dict[str, Span] = {}
    for span in spans:
        if span.kind == "agent" and span.id not in continued:
            agents[span.id] = span
        if span.kind not in ("model", "tool", "formatter"):
            continue
        owner, top = _climb(span, by_id)
        first = continued.get(owner.id) if owner else None
        reply = _place(span, first or owner, top, replies)
        reply.last_owner = owner if first else reply.last_owner
        {"model": reply.models, "tool": reply.tools, "formatter": reply.formatters}[span.kind].append(span)
    asked = {key: reply for key, reply in replies.items() if reply.models}
    for reply in asked.values():
        reply.parent_key = _find_parent(reply, by_id, asked)
    parents = {key for reply in asked.values() for key in _list_ancestors(reply.owner, by_id)}
    for key, span in agents.items():
        if key not in asked and key not in parents:
            log.drop("no_messages", detail=f"agent span {key} ({span.name}) asked no model: {span.message}"[:300])
    return sorted(asked.values(), key=lambda reply: (reply.start, reply.key))


def name_replies(replies: Sequence[Reply]) -> dict[str, str]:
    """A trace id for each reply: the id that its spans share, with its own span's id where that is not enough."""
    mains: dict[str, int] = {}
    for reply in replies:
        if reply.parent_key is None:
            mains[reply.trace_id] = mains.get(reply.trace_id, 0) + 1
    names: dict[str, str] = {}
    for reply in replies:
        is_alone = reply.parent_key is None and mains[reply.trace_id] == 1 and reply.trace_id != ""
        names[reply.key] = reply.trace_id if is_alone else ":".join(filter(None, (reply.trace_id, reply.key)))
    return names


def _climb(span: Span, by_id: Mapping[str, Span]) -> tuple[Span | None, Span]:
    """The nearest agent or tool above a span, and the topmost span above it that is there."""
    seen = {span.id}
    top = span
    while (parent := by_id.get(top.parent_id)) is not None and parent.id not in seen:
        if parent.kind in ("agent", "tool"):
            return parent, parent
        seen.add(parent.id)
        top = parent
    return None, top


def _place(span: Span, owner: Span | None, top: Span, replies: dict[str, Reply]) -> Reply:
    is_orphan = owner is None and top.parent_id != ""
    key = owner.id if owner else top.parent_id if is_orphan else top.id
    return replies.setdefault(key, Reply(key, span.trace_id, owner, is_partial=is_orphan))


def _list_ancestors(span: Span | None, by_id: Mapping[str, Span]) -> list[str]:
    found: list[str] = []
    while span is not None and span.parent_id and span.parent_id not in found:
        found.append(span.parent_id)
        span = by_id.get(span.parent_id)
    return found


def _find_parent(reply: Reply, by_id: Mapping[str, Span], asked: Mapping[str, Reply]) -> str | None:
    ancestors = _list_ancestors(reply.owner, by_id)
    return next((key for key in ancestors if key in asked and key != reply.key), None)
