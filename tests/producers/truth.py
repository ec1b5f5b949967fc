"""What a producer says happened in the runs that it simulated, and the table that it writes of it.

A table has one row a trace. A cell of ``messages`` is ``role:hash`` in order, where the role of a user message is
``human`` or ``injected``; other cells point at messages by their place. Nothing here knows a reader.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

#: Stands for the id of a call where the format has none and a reader makes one up.
ANY_ID = "*"

COLUMNS = (
    "file", "trace_id", "root", "parent", "agent", "task_id", "success", "reward", "ground_truth", "attempt", "model",
    "tokens", "started", "ended", "partial", "tools", "goal", "last_words", "messages", "thinking", "calls", "results",
    "usage", "stops", "contexts", "lost", "noted",
)  # fmt: skip


@dataclass
class Call:
    """A call of a tool. ``arguments`` is what the model meant, or the raw text where it is no JSON object."""

    name: str
    arguments: Json | str
    id: str = ANY_ID


@dataclass
class Said:
    """One message. ``answers`` is the call that a tool's result belongs to; ``tokens`` are those in and out.

    ``kept`` is what the model still saw after a compaction, which can be the compaction itself.
    """

    role: str
    text: str = ""
    thinking: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    answers: Call | None = None
    failed: bool = False
    tokens: tuple[int, int] | None = None
    stop: str = ""
    kept: list[Said] = field(default_factory=list["Said"])


@dataclass
class Run:
    """One conversation of one agent, as it was."""

    trace_id: str
    said: list[Said] = field(default_factory=list[Said])
    root: str = ""
    parent: str = ""
    agent: str = ""
    task_id: str = ""
    success: bool | None = None
    reward: float | None = None
    ground_truth: str = ""
    attempt: int | None = None
    model: str = ""
    tokens: tuple[int, int] | None = None
    started: str = ""
    ended: str = ""
    is_partial: bool = False
    tools: list[Json] = field(default_factory=list[Json])


@dataclass
class Produced:
    """One file, the runs that it holds, and what of it is no run, by reason."""

    file: str
    runs: list[Run] = field(default_factory=list[Run])
    lost: dict[str, int] = field(default_factory=dict[str, int])
    noted: dict[str, int] = field(default_factory=dict[str, int])

    def lose(self, reason: str) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + 1

    def note(self, reason: str) -> None:
        self.noted[reason] = self.noted.get(reason, 0) + 1


def hash_text(text: str) -> str:
    """Eight digits that stand for a text; ``-`` for none."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] if text else "-"


def hash_value(value: Json | str) -> str:
    """Eight digits that stand for a value, however its JSON was spaced and ordered."""
    if isinstance(value, str):
        return hash_text(value)
    return hash_text(json.dumps(value, sort_keys=True, ensure_ascii=False))


def collapse(text: str) -> str:
    return " ".join(text.split())[:60].strip()


def show_time(seconds: float | None) -> str:
    """A time as whole milliseconds since 1970."""
    return "" if seconds is None else str(round(seconds * 1000))


def show(value: object) -> str:
    return "" if value is None else str(value)


def list_contexts(run: Run) -> Iterator[str]:
    """How many messages the model saw at each of its turns, and a hash of them."""
    seen: list[Said] = []
    for index, said in enumerate(run.said):
        if said.role == "compaction":
            seen = list(said.kept)
            continue
        if said.role == "assistant":
            yield f"{index}:{len(seen)}:{hash_text(' '.join(hash_text(earlier.text) for earlier in seen))}"
        seen.append(said)


def describe_run(run: Run) -> dict[str, str]:
    """The cells of a run, but for those of its file."""
    human = re.sub(r"\[image [^]]*]", "", next((said.text for said in run.said if said.role == "human"), ""))
    words = [said.text for said in run.said if said.role == "assistant" and said.text.strip()]
    numbered = list(enumerate(run.said))
    order: list[Call] = [call for said in run.said for call in said.calls]
    results = [
        f"{index}<{next(place for place, call in enumerate(order) if call is said.answers)}{'!' if said.failed else ''}"
        for index, said in numbered
        if said.answers
    ]
    return {
        "trace_id": run.trace_id,
        "root": run.root or run.trace_id,
        "parent": run.parent,
        "agent": run.agent,
        "task_id": run.task_id,
        "success": show(run.success),
        "reward": show(run.reward),
        "ground_truth": collapse(run.ground_truth),
        "attempt": show(run.attempt),
        "model": run.model,
        "tokens": f"{run.tokens[0]}/{run.tokens[1]}" if run.tokens else "",
        "started": run.started,
        "ended": run.ended,
        "partial": "yes" if run.is_partial else "",
        "tools": " ".join(f"{tool['name']}#{hash_value(tool)}" for tool in run.tools),
        "goal": collapse(human),
        "last_words": collapse(words[-1]) if words else "",
        "messages": " ".join(f"{said.role}:{hash_text(said.text)}" for said in run.said),
        "thinking": " ".join(f"{index}:{hash_text(said.thinking)}" for index, said in numbered if said.thinking),
        "calls": " ".join(
            f"{index}:{call.id}:{call.name}:{hash_value(call.arguments)}"
            for index, said in numbered
            for call in said.calls
        ),
        "results": " ".join(results),
        **describe_turns(run),
    }


def describe_turns(run: Run) -> dict[str, str]:
    """What is known of the model's turns beside their words."""
    numbered = list(enumerate(run.said))
    return {
        "usage": " ".join(f"{index}:{said.tokens[0]}/{said.tokens[1]}" for index, said in numbered if said.tokens),
        "stops": " ".join(f"{index}:{said.stop}" for index, said in numbered if said.stop),
        "contexts": " ".join(list_contexts(run)),
    }


def count(counts: dict[str, int]) -> str:
    return ";".join(f"{reason}={number}" for reason, number in sorted(counts.items()))


def list_rows(files: Sequence[Produced]) -> Iterator[dict[str, str]]:
    """A row a run; what a file lost stands in its first row, and a file without a run has a row of its own."""
    for produced in files:
        cells = [describe_run(run) for run in produced.runs] or [{}]
        for place, row in enumerate(cells):
            losses = (count(produced.lost), count(produced.noted)) if place == 0 else ("", "")
            known = {"file": produced.file, **row, "lost": losses[0], "noted": losses[1]}
            yield {column: known.get(column, "") for column in COLUMNS}


def write_table(files: Sequence[Produced], path: Path) -> None:
    lines = ["\t".join(COLUMNS), *("\t".join(row[column] for column in COLUMNS) for row in list_rows(files))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
