"""Small synthetic Codex sessions: a goal, one command with its result, a final answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SPEAKER = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")


def make_id(number: int) -> str:
    """The session id of session ``number``."""
    return f"019c0000-0000-7000-8000-{number:012d}"


def make_goal(number: int) -> str:
    """The goal of session ``number``; no two are equal, and none is the beginning of another."""
    return f"Mend parser number {number:04d}x of the {SPEAKER[number % 8]} service."


def build_rows(
    number: int,
    goal: str | None = None,
    output: str = "3 passed",
    answer: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The records of one rollout file."""
    stamp = f"2026-03-{1 + number % 28:02d}T08:00:0"
    head = {"id": make_id(number), "timestamp": stamp + "0.000Z", "cwd": "/srv/app", "originator": "codex_cli_rs",
            "cli_version": "0.129.0", "source": "cli", "git": {"branch": "main"}, **(meta or {})}  # fmt: skip

    def message(role: str, kind: str, text: str) -> dict[str, Any]:
        return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}

    call = {"cmd": f"pytest tests/test_{number}.py", "workdir": "/srv/app"}
    items: list[tuple[str, dict[str, Any]]] = [
        ("session_meta", head),
        ("turn_context", {"cwd": "/srv/app", "model": "gpt-5.4-mini"}),
        ("response_item", message("user", "input_text", goal or make_goal(number))),
        ("response_item", {"type": "function_call", "name": "exec_command", "arguments": json.dumps(call),
                           "call_id": "c1"}),
        ("response_item", {"type": "function_call_output", "call_id": "c1",
                           "output": f"Process exited with code 0\nOutput:\n{output}"}),
        ("response_item", message("assistant", "output_text", answer or f"Parser {number} works; its test passes.")),
    ]  # fmt: skip
    return [
        {"timestamp": f"{stamp}{index}.000Z", "type": kind, "payload": payload}
        for index, (kind, payload) in enumerate(items)
    ]


def write_session(folder: Path, number: int, rows: list[dict[str, Any]]) -> Path:
    """One rollout file where Codex would put it."""
    day = folder / "2026" / "03" / f"{1 + number % 28:02d}"
    day.mkdir(parents=True, exist_ok=True)
    path = day / f"rollout-2026-03-{1 + number % 28:02d}T08-00-00-{make_id(number)}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_sessions(folder: Path, count: int, goal: Callable[[int], str] = make_goal) -> Path:
    """``count`` sessions with distinct goals; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_session(folder, number, build_rows(number, goal(number)))
    return folder
