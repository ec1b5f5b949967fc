"""Replies of a run → threads: what one agent said from reply to reply with one memory.

The first prompt of a reply carries the replies before it. It is cut into the system prompt, what earlier replies hold,
and what is new: the messages that this reply answers, and before them what no reply of the thread holds, such as the
question and the first steps of a reply whose own first span is gone. An agent whose memory was emptied begins a new
thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.agentscope_studio.conversations import Conversation, Item, count_shared, list_unseen, make_item
from tracemill.ingest.agentscope_studio.prompts import PromptMessage, find_origin, make_mark
from tracemill.ingest.agentscope_studio.replies import Reply
from tracemill.ingest.agentscope_studio.spans import Spoken
from tracemill.trace import Message

_TURN_MARK = "assistant:"
_FOLD_START, _FOLD_END = "<history>\n", "\n</history>"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who replied, and what to. ``id`` is None where the database does not say (an upgrade loses it)."""

    id: str | None
    name: str | None
    inputs: tuple[Spoken, ...] = ()


@dataclass(slots=True)
class Part:
    """One reply as part of a thread.

    ``opening`` are the new messages that the reply answers, ``older`` those before the last model turn of the prompt
    that the replies before it neither told nor were given; ``carried`` counts what the prompt repeats of these replies.
    """

    reply: Reply
    agent: Agent
    conversation: Conversation
    number: int
    system: list[Item]
    is_system_new: bool
    older: list[Item]
    opening: list[Item]
    carried: int


@dataclass(slots=True)
class Thread:
    """Replies of one agent that share a memory."""

    agent: Agent
    parent_key: str | None
    parts: list[Part] = field(default_factory=list[Part])
    folded: str = ""
    folded_images: int = 0

    @property
    def last(self) -> Conversation:
        """The conversation of the latest reply."""
        return self.parts[-1].conversation

    def goes_on_with(self, reply: Reply, agent: Agent, prompt: Sequence[PromptMessage]) -> bool:
        """Whether a reply's first prompt carries what this thread said."""
        is_named = reply.owner is not None
        if (reply.parent_key is None) != (self.parent_key is None):
            return False
        if is_named and (agent.id, agent.name) != (self.agent.id, self.agent.name):
            return False
        last = self.last
        if _holds_latest(last, prompt) or _shares_turn(last.marks, prompt):
            return True
        if agent.id is not None and any(item.is_summary for item in prompt):
            return True
        if self.folded and any(_grows(self.folded, unfold_text(item)) for item in prompt):
            return True
        is_answered = bool(last.extra)
        return not is_answered and len(prompt) > len(last.marks) == count_shared(last.marks, prompt)

    def add(self, reply: Reply, agent: Agent, conversation: Conversation) -> Part:
        """Take in a reply."""
        prompt = conversation.prompt
        start = next((n for n, item in enumerate(prompt) if not _is_system(item)), len(prompt))
        marks, extra = (self.last.marks, self.last.extra) if self.parts else ([], [])
        unseen = {id(item) for item in list_unseen(marks, extra, prompt)}
        turn = max((n + 1 for n, item in enumerate(prompt) if item.is_model_side), default=start)
        opening = [item for item in prompt[max(turn, start) :] if id(item) in unseen]
        older = [item for item in prompt[start : max(turn, start)] if id(item) in unseen]
        opened = [shown for item in opening for shown in self._unfold(item, agent)]
        context = tuple(item.mark for item in prompt)
        part = Part(
            reply=reply,
            agent=agent,
            conversation=conversation,
            number=len(self.parts) + 1,
            system=[make_item(item, None) for item in prompt[:start]],
            is_system_new=any(id(item) in unseen for item in prompt[:start]),
            older=[make_item(item, None, context) for item in older],
            opening=[make_item(item, reply.started_at, context) for item in opened],
            carried=len(prompt) - start - len(opening) - len(older),
        )
        last = next((item for item in reversed(prompt) if unfold_text(item)), None)
        if last is not None:
            self.folded, self.folded_images = unfold_text(last), len(_list_images(last))
        self.parts.append(part)
        return part

    def _unfold(self, item: PromptMessage, agent: Agent) -> list[PromptMessage]:
        """A history that was folded into one text as the messages that are new in it, where it can be told.

        Its images stand beside the text; the new ones go with the last message.
        """
        inner = unfold_text(item)
        if not inner:
            return [_name_origin(item, agent)]
        grows = bool(self.folded) and _grows(self.folded, inner)
        rest = inner[len(self.folded) :].lstrip("\n") if grows else inner
        answer = self.last.items[-1].message if self.parts and self.last.items else None
        own = f"{agent.name}: {answer.text}" if answer is not None and answer.role == "assistant" else ""
        rest = rest[len(own) :].lstrip("\n") if own and rest.startswith(own) else rest
        given = [spoken for spoken in agent.inputs if spoken.text]
        tail = "\n".join(f"{spoken.name}: {text}" for spoken in given for text in spoken.texts)
        if not tail or not rest.endswith(tail):
            return [item]
        before = rest[: len(rest) - len(tail)].rstrip("\n")
        found = [_make_user(before, "injected", item)] if before else []
        for spoken in given:
            found.append(_make_user(spoken.text or "", "human" if spoken.role == "user" else "injected", item))
        images = _list_images(item)[self.folded_images if grows else 0 :]
        return [*found[:-1], _add_images(found[-1], images)] if images else found


@dataclass(slots=True)
class Threads:
    """The threads of a run, found by what was said in them, so that each reply need not be held against all."""

    found: list[Thread] = field(default_factory=list[Thread])
    by_agent: dict[tuple[str | None, str | None], Thread] = field(default_factory=dict[Any, Thread])
    by_mark: dict[str, Thread] = field(default_factory=dict[str, Thread])

    def add(self, reply: Reply, agent: Agent, conversation: Conversation) -> Part:
        """Take a reply into the thread that its prompt carries, or a new one where it carries none."""
        marks = [item.mark for item in reversed(conversation.prompt) if item.is_model_side]
        near = [self.by_agent.get((agent.id, agent.name)), *(self.by_mark.get(mark) for mark in marks)]
        candidates = {id(thread): thread for thread in near if thread is not None}.values()
        going = (thread for thread in candidates if thread.goes_on_with(reply, agent, conversation.prompt))
        thread = next(going, None)
        if thread is None:
            thread = Thread(agent, reply.parent_key)
            self.found.append(thread)
        self.by_agent[agent.id, agent.name] = thread
        self.by_mark.update((mark, thread) for mark in conversation.known)
        return thread.add(reply, agent, conversation)


def unfold_text(item: PromptMessage) -> str:
    """The history within a text that a formatter for several agents made; empty where there is none."""
    message = item.message
    if message is None or message.role != "user":
        return ""
    parts = [{"text": message.content}] if isinstance(message.content, str) else message.content
    text = "\n".join(str(part["text"]) for part in parts if "text" in part)
    before, start, rest = text.partition(_FOLD_START)
    inner, end, after = rest.rpartition(_FOLD_END)
    is_folded = bool(start and end) and not after.strip() and (not before or before.startswith("# "))
    return inner if is_folded else ""


def _holds_latest(last: Conversation, prompt: Sequence[PromptMessage]) -> bool:
    """Whether a prompt holds what the model said last; any other turn tells little, as Ollama's ids come again.

    What was said since the last prompt may not be remembered as it was said: then the last turn in that prompt counts.
    """
    said = [mark for mark in last.marks if mark.startswith(_TURN_MARK)][-1:]
    wanted = {*said, *(mark for mark in last.extra if mark.startswith(_TURN_MARK))}
    return any(item.mark in wanted for item in prompt)


def _shares_turn(marks: Sequence[str], prompt: Sequence[PromptMessage]) -> bool:
    """Whether two prompts begin alike, as far as a turn of the model: a memory from which the latest was taken."""
    shared = count_shared(marks, prompt)
    return any(item.is_model_side for item in prompt[:shared])


def _grows(shorter: str, longer: str) -> bool:
    return len(longer) > len(shorter) and longer.startswith(shorter + "\n")


def _is_system(item: PromptMessage) -> bool:
    return item.message is None or item.message.role == "system"


def _name_origin(item: PromptMessage, agent: Agent) -> PromptMessage:
    """A message that the agent was given in the role of a user is a person's, whatever it begins with."""
    message = item.message
    if message is None or message.role != "user" or find_origin(message.text) == "human":
        return item
    words = " ".join(message.words.split())
    is_given = any(given.role == "user" and " ".join((given.text or "").split()) == words for given in agent.inputs)
    human = Message("user", message.content, "human")
    return PromptMessage(item.mark, human, item.name, item.losses) if is_given and not item.is_summary else item


def _list_images(item: PromptMessage) -> list[dict[str, Any]]:
    content = item.message.content if item.message is not None else ""
    return [] if isinstance(content, str) else [part for part in content if "text" not in part]


def _add_images(item: PromptMessage, images: Sequence[dict[str, Any]]) -> PromptMessage:
    message = item.message
    if message is None:
        return item
    parts = ({"type": "text", "text": message.text}, *images)
    return PromptMessage(item.mark, Message(message.role, parts, message.origin), item.name, item.losses)


def _make_user(text: str, origin: str, whole: PromptMessage) -> PromptMessage:
    message = Message("user", text, "human" if origin == "human" else "injected")
    return PromptMessage(make_mark(message), message, whole.name)
