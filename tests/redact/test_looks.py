"""What is looked at once: texts that stand together, system prompts, and what is looked at all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from planted import HEX, make

from tracemill.redact import Redactor
from tracemill.redact.finding import build_gate
from tracemill.redact.texts import join_texts
from tracemill.trace import Message, Trace

KEY = "ghp_" + make(HEX, 36)
PASSWORD = "Xk9$mQ2v"


def build_trace(*messages: Message, **fields: Any) -> Trace:
    return Trace("t", "codex", "x.jsonl", "t", messages, **fields)


def count_looks(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[str]:
    """The texts about which the gate is asked."""
    seen: list[str] = []
    look = build_gate().get_look()

    def note(text: str) -> frozenset[str]:
        seen.append(text)
        return look(text)

    with monkeypatch.context() as patch:
        patch.setattr(type(build_gate()), "get_look", lambda gate: note)
        do()
    return seen


@pytest.mark.parametrize(
    ("values", "joined"),
    [
        (["a", ["b", ("c",)], None, 1, 1.5, True], "c\nb\na"),
        ([{"a": "x", "b": {"c": []}}], "c\nb\nx\na"),
        ([], ""),
        ([{"password": 1, 2: "x"}], "x\npassword"),
        ([{"password": ["x"]}], "x\npassword"),
        ([{"password": "x"}], None),
        ([[{"a": {"db_pw": ""}}]], None),
        ([{"a": {1, 2}}], None),
        ([b"x"], None),
    ],
    ids=["list", "object", "nothing", "number", "list under a name", "name", "deep name", "set", "bytes"],
)
def test_join_texts(values: list[Any], joined: str | None) -> None:
    assert join_texts(values) == joined


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"source_meta": {"a": ["x", {"b": KEY}]}}, None),
        ({"source_meta": {"password": PASSWORD}}, None),
        ({"source_meta": {KEY: 1}}, None),
        ({"tools": ({"name": "x", "parameters": {"default": KEY}},)}, None),
        ({"git_branch": KEY}, None),
        ({"cwd": f"/srv/{KEY}"}, None),
        ({"source_meta": {"a": ["x", {"b": "token count"}]}, "git_branch": "main", "cwd": "/srv/x"}, True),
        ({"tools": ({"name": "x", "parameters": {"password": {"type": "string"}}},)}, True),
    ],
    ids=["deep", "named", "key", "tool", "field", "path", "nothing", "schema"],
)
def test_fields_are_redacted(fields: dict[str, Any], kept: bool | None) -> None:
    trace = build_trace(**fields)
    redacted = Redactor().redact_trace(trace)
    assert (redacted is trace) == bool(kept)
    assert KEY not in str(redacted)
    assert PASSWORD not in str(redacted)


def test_fields_without_a_finding_take_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = build_trace(source_meta={"version": "1.2.3", "layout": ["snapshot"]}, git_branch="main", model="some-model")
    looks = count_looks(monkeypatch, lambda: Redactor().redact_trace(trace))
    assert len(looks) == 2  # the other is the path of the file
    assert any("snapshot" in text and "main" in text for text in looks)


def test_system_prompt_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor, prompt = Redactor(), "You are an agent. " * 40
    traces = [build_trace(Message("system", prompt), Message("user", f"{prompt}{i}", origin="human")) for i in range(3)]
    looks = count_looks(monkeypatch, lambda: [redactor.redact_trace(trace) for trace in traces])
    assert looks.count(prompt) == 1
    assert sum(prompt in text for text in looks) == 4


def test_system_prompt_with_a_secret_is_redacted_every_time() -> None:
    redactor = Redactor()
    for _ in range(2):
        redacted = redactor.redact_trace(build_trace(Message("system", f"use {KEY}")))
        assert KEY not in redacted.messages[0].text
        assert redacted.redacted == {"github_token": 1}


def test_rules_of_a_user_see_system_prompts_and_fields() -> None:
    redactor = Redactor([("employee_id", r"EMP-\d+")])
    for _ in range(2):
        trace = build_trace(Message("system", "I am EMP-17"), source_meta={"a": "EMP-18"}, git_branch="EMP-19")
        assert redactor.redact_trace(trace).redacted == {"employee_id": 3}


def test_unchanged_messages_stay_the_same_objects() -> None:
    messages = (
        Message("user", f"use {KEY}", origin="human"),
        Message("assistant", "done"),
        Message("system", "be kind"),
    )
    redacted = Redactor().redact_trace(build_trace(*messages))
    assert [new is old for new, old in zip(redacted.messages, messages, strict=True)] == [False, True, True]
