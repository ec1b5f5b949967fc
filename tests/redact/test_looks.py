"""What is looked at once: texts that stand together, system prompts, and what is looked at all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from planted import HEX, make

from tracemill.redact import Redactor
from tracemill.redact.finding import build_gate
from tracemill.redact.gate import Gate, Look
from tracemill.redact.texts import hash_values, join_texts
from tracemill.trace import Message, ToolCall, Trace

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

    def get_look(_: Gate) -> Look:
        return note

    with monkeypatch.context() as patch:
        patch.setattr(type(build_gate()), "get_look", get_look)
        do()
    return seen


@pytest.mark.parametrize(
    ("values", "joined"),
    [
        (["a", ["b", ("c",)], None, 1, 1.5, True], "c\nb\na"),
        ([{"a": "x", "b": {"c": []}}], "x\nb\nc\na"),
        ([], ""),
        ([{"password": 1, 2: "x"}], "x\npassword"),
        ([{"password": ["x"]}], "password\nx"),
        ([{"password": "x"}], None),
        ([{"password" + "_" * 100: "x"}], None),
        ([{"a" * 100: "x"}], f"x\n{'a' * 100}"),
        ([[{"a": {"db_pw": ""}}]], None),
        ([{"a": {1, 2}}], None),
        ([b"x"], None),
    ],
    ids=[
        "list",
        "object",
        "nothing",
        "number",
        "list under a name",
        "name",
        "long name",
        "long key",
        "deep name",
        "set",
        "bytes",
    ],
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


def test_equal_tools_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    traces = [build_trace(tools=({"name": "x", "description": f"runs {i // 2}"},)) for i in range(4)]
    looks = count_looks(monkeypatch, lambda: [redactor.redact_trace(trace) for trace in traces])
    assert [[f"runs {i}" in text for i in range(2)] for text in looks if "runs" in text] == [
        [True, False],
        [False, True],
    ]


def test_tools_with_a_secret_are_redacted_every_time() -> None:
    redactor = Redactor()
    for _ in range(3):
        redacted = redactor.redact_trace(build_trace(tools=({"name": "x", "description": KEY}, {"name": "y"})))
        assert KEY not in str(redacted)
        assert redacted.redacted == {"github_token": 1}


def test_rules_of_a_user_see_tools() -> None:
    redactor = Redactor([("employee_id", r"EMP-\d+")])
    for name in ("x", "x", "EMP-17", "EMP-17"):
        redacted = redactor.redact_trace(build_trace(tools=({"name": name},)))
        assert redacted.redacted == ({"employee_id": 1} if name != "x" else {})


def test_hash_values() -> None:
    values = ({"name": "x", "parameters": {"a": [1, 2.5, None, True]}},)
    assert hash_values(values) == hash_values(({"name": "x", "parameters": {"a": [1, 2.5, None, True]}},))
    for other in (({"name": "y"},), (*values, {}), ({"name": "x", "parameters": {"a": ["1", 2.5, None, True]}},)):
        assert hash_values(other) not in (None, hash_values(values))
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for odd in ([object()], ["\ud83d"], [1 << 80], [deep]):
        assert hash_values(odd) is None


def test_calls_are_looked_at_once_and_changed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tuple(ToolCall(f"c{i}", "run", text) for i, text in enumerate(('{"a": "one"}', f'{{"a": "{KEY}"}}', "{}")))
    trace = build_trace(Message("assistant", "", tool_calls=calls))
    redacted: list[Trace] = []
    looks = count_looks(monkeypatch, lambda: redacted.append(Redactor().redact_trace(trace)))
    assert [looks.count(call.arguments) for call in calls[:2]] == [1, 1]
    assert [new is old for new, old in zip(redacted[0].messages[0].tool_calls, calls, strict=True)] == [
        True,
        False,
        True,
    ]
    assert KEY not in str(redacted)


def test_rules_of_a_user_see_messages_in_which_the_gate_sees_nothing() -> None:
    redactor = Redactor([("employee_id", r"EMP-\d+")])
    for message in (
        Message("user", "I am EMP-17", origin="human"),
        Message("assistant", "", reasoning_content="EMP-17 asks"),
        Message(
            "assistant", "", tool_calls=(ToolCall("c", "run", '{"a": "b"}'), ToolCall("d", "run", '{"a": "EMP-17"}'))
        ),
        Message("user", ({"type": "text", "text": "EMP-17"},), origin="human"),
        Message("assistant", "", model="EMP-17"),
    ):
        redacted = redactor.redact_trace(build_trace(message))
        assert redacted.redacted == {"employee_id": 1}
        assert "EMP-17" not in str(redacted)
