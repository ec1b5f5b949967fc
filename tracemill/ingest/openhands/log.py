"""What both generations of OpenHands events are turned into while they are read: turns, messages, compactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.openai_chat.parts import split_thoughts
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, Origin

#: How old versions of 0.x say that a delegate failed.
DELEGATE_ERROR = "Delegator agent encountered an error"
#: What the harness itself says in the role of a user: the SDK, its critic, the evaluation.
_INJECTED_STARTS = (
    "Your last response did not include a function call or a message.",
    "The task appears incomplete (iteration ",
    "Please continue working on the task on whatever approach you think is suitable.",
    "The goal is NOT yet complete (audit iteration ",
    "Resuming a goal that was paused or interrupted. Re-check the real current state",
    "<<RESUMED CONVERSATION>>",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event record; ``line`` is its line in a file of lines, ``place`` names it in losses."""

    value: dict[str, Any]
    place: str
    line: int | None = None


@dataclass(slots=True)
class AgentCall:
    """A call that an agent over the Agent Client Protocol told of: its turn, its place there, its answer's entry."""

    turn: ModelTurn
    place: int
    answer: int | None = None


@dataclass(slots=True)
class EventLog:
    """Messages in the order of their events, and what the events say about the session as a whole.

    ``entries`` holds ``(event id, message or turn, line)``; a turn grows while more of its calls come. ``turns`` are
    those of which the source names the model's response, ``response_usage`` what these cost, ``made_ids`` the ids of
    calls that the source did not name, ``delegate_call`` the latest call of a delegate. ``agent_calls`` are the calls
    of an agent over the Agent Client Protocol since a person last spoke, by id; ``is_acp``: such an agent leads.
    """

    log: LossLog
    entries: list[tuple[Any, Message | ModelTurn, int | None]] = field(
        default_factory=list[tuple[Any, Message | ModelTurn, int | None]]
    )
    turns: dict[str, ModelTurn] = field(default_factory=dict[str, ModelTurn])
    tools: tuple[dict[str, Any], ...] = ()
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None
    usage: dict[str, int] = field(default_factory=dict[str, int])
    response_usage: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    made_ids: set[str] = field(default_factory=set[str])
    delegate_call: str | None = None
    agent_calls: dict[str, AgentCall] = field(default_factory=dict[str, AgentCall])
    is_acp: bool = False
    cwd: str | None = None
    git_branch: str | None = None

    def add(self, event: Event, message: Message | ModelTurn) -> None:
        """Append a message or a turn; a message without content is none, unless it answers a call."""
        is_empty = isinstance(message, Message) and not message.content and message.role in ("system", "user")
        if is_empty and isinstance(message, Message) and message.origin != "compaction":
            self.refuse(event, "malformed_record", "no content")
        else:
            self.entries.append((_get_id(event), message, event.line))

    def put(self, event: Event, message: Message, place: int | None) -> int:
        """Put a message in the place of an earlier entry, or at the end where there is none; gives its place."""
        entry = (_get_id(event), message, event.line)
        if place is None:
            self.entries.append(entry)
            return len(self.entries) - 1
        self.entries[place] = entry
        return place

    def compact(self, event: Event, summary: str, time: str | None, forgotten: Iterable[Any], offset: int) -> None:
        """Begin a new context: what was seen so far without the forgotten events, the summary at ``offset``."""
        gone = {item for item in forgotten if isinstance(item, str | int)}
        seen = self._list_context()
        kept = [number for number in seen if self.entries[number][0] not in gone]
        if summary:
            kept.insert(max(0, min(offset, len(kept))), SELF)
        message = Message("user", summary, "compaction", timestamp=time, context=tuple(kept))
        self.entries.append((_get_id(event), message, event.line))

    def refuse(self, event: Event, reason: str, why: str) -> None:
        """Count an event as lost."""
        self.log.drop(reason, event.line, f"{event.place}: {why}"[:300], dump_json(event.value))

    def build(self) -> tuple[Message, ...]:
        """The messages, every call followed by its result; where no turn names its model all get the session's."""
        for response_id, turn in self.turns.items():
            turn.usage = turn.usage or self.response_usage.get(response_id) or None
        is_named = any(isinstance(entry, ModelTurn) and entry.model is not None for _, entry, _ in self.entries)
        transcript = Transcript()
        for _, entry, line in self.entries:
            message = entry.to_message() if isinstance(entry, ModelTurn) else entry
            if message.role == "assistant" and self.model is not None and not is_named:
                message = replace(message, model=self.model)
            transcript.add(message, line)
        return transcript.build_messages(self.log)

    def _list_context(self) -> list[int]:
        """Numbers of the entries that the model sees now: those since the last compaction, and what that kept."""
        for number in range(len(self.entries) - 1, -1, -1):
            message = self.entries[number][1]
            if isinstance(message, Message) and message.context is not None:
                before = [number if kept == SELF else kept for kept in message.context]
                return [*before, *range(number + 1, len(self.entries))]
        return list(range(len(self.entries)))


def read_blocks(value: Any, log: LossLog, line: int | None) -> Content:
    """Content whose images are lists of links: ``{"type": "image", "image_urls": [...]}``."""
    if not isinstance(value, list):
        return read_content(value, log, line)
    blocks: list[Any] = []
    for block in as_list(value):
        links = as_record(block).get("image_urls")
        blocks += [{"type": "image_url", "image_url": link} for link in as_list(links)] if links else [block]
    return read_content(blocks, log, line)


def add_content(turn: ModelTurn, content: Content) -> None:
    """Append what the model said to its turn."""
    if isinstance(content, str):
        turn.add_text(content)
    else:
        turn.parts += content


def add_thoughts(turn: ModelTurn, record: Mapping[str, Any], content: Content) -> None:
    """Append what the model thought to its turn, unless ``content`` begins with just that, in ``<think>``."""
    thoughts = find_reasoning(record)
    if split_thoughts(content)[0] != thoughts.strip():
        turn.add_reasoning(thoughts)


def find_origin(content: Content) -> Origin:
    """Whether a person said what stands in the role of a user, or the harness."""
    first = content if isinstance(content, str) else str(content[0].get("text") or "") if content else ""
    return "injected" if first.lstrip().startswith(_INJECTED_STARTS) else "human"


def find_reasoning(record: Mapping[str, Any]) -> str:
    """What the model thought: its reasoning, else the text of thinking blocks, of OpenAI's item, of OpenRouter's."""
    told = get_text(record, "reasoning_content", "reasoning")
    blocks = [get_text(as_record(block), "thinking") for block in as_list(record.get("thinking_blocks"))]
    item = as_record(record.get("responses_reasoning_item"))
    details = [get_text(as_record(block), "text", "summary") for block in as_list(record.get("reasoning_details"))]
    lists = (blocks, as_list(item.get("content")), as_list(item.get("summary")), details)
    found = ("\n\n".join(text for text in texts if isinstance(text, str) and text) for texts in lists)
    return told or next((text for text in found if text), "")


def _get_id(event: Event) -> Any:
    own_id = event.value.get("id")
    return own_id if isinstance(own_id, str | int) else None
