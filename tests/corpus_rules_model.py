"""What the rules of reading are checked on: one conversation as the raw rows tell it, and its columns.

Shares nothing with the readers. Numbers of characters leave white space out, so that they do not depend on how parts
are joined.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_COLUMN_NAMES = """
    parent_trace_id is_sidechain agent_id cwd git_branch git_commit repository_url tools order system human injected
    compactions turns results tool_names call_order tool_errors reasoning_turns images turn_models stop_reasons
    input_tokens output_tokens system_chars user_chars compaction_chars model_chars reasoning_chars argument_chars
    result_chars seen_messages seen_chars copied_messages references task_id reward success
"""
COLUMNS = list[str](_COLUMN_NAMES.split())

#: Tools that run at the provider: what stands in their calls and results is not compared, only that they are there.
HOSTED = {"web_search", "image_generation", "tool_search", "local_shell"}


def weigh(text: str) -> int:
    """Characters that are no white space."""
    return len("".join(text.split()))


def sign(parts: list[str]) -> str:
    """A short text as it is, a long one as a hash."""
    text = " ".join(parts)
    return text if len(text) <= 60 else hashlib.sha256(text.encode()).hexdigest()[:12]


def count_names(names: list[str]) -> str:
    return ",".join(f"{name}:{count}" for name, count in sorted(Counter(names).items()))


def weigh_arguments(arguments: object) -> int:
    """The weight of a call's arguments, whatever the spacing and escapes of their JSON."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return weigh(str(arguments))
    if isinstance(arguments, str):
        return weigh(arguments)
    return weigh(json.dumps({} if arguments is None else arguments, ensure_ascii=False))


@dataclass
class Call:
    name: str
    call_id: str = ""
    arguments: object = None
    result: Said | None = None
    is_waiting: bool = True


@dataclass
class Said:
    """One message. ``kind``: s system, h human, i injected, c compaction, m model turn, t tool result."""

    kind: str
    text: str = ""
    reasoning: str = ""
    images: int = 0
    calls: list[Call] = field(default_factory=list[Call])
    error: bool = False
    model: str = ""
    stop: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    tool: str = ""
    is_mail: bool = False
    is_copied: bool = False
    kept: list[Said] | None = None

    @property
    def is_own(self) -> bool:
        """Whether the text is compared: not what a tool of the provider gave back."""
        return self.tool not in HOSTED


@dataclass
class Conversation:
    trace_id: str
    parent: str = ""
    is_sidechain: bool = False
    agent_id: str = ""
    cwd: str = ""
    branch: str = ""
    commit: str = ""
    url: str = ""
    tools: int = 0
    said: list[Said] = field(default_factory=list[Said])
    input_tokens: int | None = None
    output_tokens: int | None = None
    references: int = 0

    def add(self, kind: str, text: str = "", **more: Any) -> Said:
        self.said.append(Said(kind, text, **more))
        return self.said[-1]

    def answer(self, call_id: object, text: str, *, error: bool = False, images: int = 0) -> None:
        """Give a result to the latest turn in which a call of its id waits, there to the first such call. A result
        that no call waits for is no message."""
        for said in reversed(self.said):
            for call in said.calls:
                if call.is_waiting and call.call_id == str(call_id or ""):
                    call.is_waiting = False
                    call.result = Said("t", text, error=error, images=images, tool=call.name)
                    return

    def list_messages(self) -> Iterator[Said]:
        for said in self.said:
            yield said
            yield from (call.result for call in said.calls if call.result)

    def list_seen(self) -> Iterator[list[Said]]:
        """What the model saw before each of its turns."""
        seen: list[Said] = []
        for said in self.list_messages():
            if said.kind == "c":
                kept = [item for item in seen if item.kind == "s"] if said.kept is None else said.kept
                seen = [*kept, said] if said.kept is None else list(kept)
            else:
                if said.kind == "m":
                    yield list(seen)
                seen.append(said)

    def sum_tokens(self, name: str) -> int | None:
        own = getattr(self, name)
        turns = [value for said in self.said if (value := getattr(said, name)) is not None]
        return own if own is not None else sum(turns) if turns else None

    def describe(self) -> dict[str, str]:
        messages = list(self.list_messages())
        kinds = [said.kind for said in messages]
        seen = list(self.list_seen())
        calls = [call.name for said in messages for call in said.calls]
        values: list[object] = [self.parent, self.is_sidechain, self.agent_id, self.cwd, self.branch, self.commit]
        values += [self.url, self.tools, sign(["".join(kinds)]), *(kinds.count(kind) for kind in "shicmt")]
        values += [count_names(calls), sign(calls), sum(said.error for said in messages)]
        values += [sum(bool(said.reasoning.strip()) for said in messages), sum(said.images for said in messages)]
        values += [count_names([said.model for said in messages if said.model])]
        values += [count_names([said.stop for said in messages if said.stop])]
        values += [self.sum_tokens("input_tokens"), self.sum_tokens("output_tokens"), *weigh_kinds(messages)]
        values += [sum(map(len, seen)), sum(weigh(said.text) for step in seen for said in step if said.is_own)]
        values += [sum(said.is_copied for said in messages), self.references]
        values += ["", "", ""]  # no file of the corpus has an outcome beside it
        return dict(zip(COLUMNS, ["" if value is None else str(value) for value in values], strict=True))

    def describe_steps(self) -> list[list[str]]:
        """For each step the kinds of what the model saw, and its weight."""
        steps = list(self.list_seen())
        weights = [sum(weigh(said.text) for said in step if said.is_own) for step in steps]
        return [["".join(said.kind for said in step), str(chars)] for step, chars in zip(steps, weights, strict=True)]


def weigh_kinds(messages: list[Said]) -> list[int]:
    calls = [call for said in messages for call in said.calls if call.name not in HOSTED]
    weights = [sum(weigh(said.text) for said in messages if said.kind in kinds) for kinds in ("s", "hi", "c", "m")]
    weights += [sum(weigh(said.reasoning) for said in messages)]
    weights += [sum(weigh_arguments(call.arguments) for call in calls)]
    return [*weights, sum(weigh(said.text) for said in messages if said.kind == "t" and said.is_own)]
