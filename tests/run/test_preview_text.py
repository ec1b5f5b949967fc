"""Text of traces and names of files on a terminal: shown, and unable to steer it."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from tests.run.harness import run_cli
from tracemill.run.terminal import LogFormatter, Terminal

STEERING = "\x1b[31mred\x1b]0;owned\x07\x9b2J\u202e\x7f"


def has_controls(text: str) -> bool:
    return any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or char == "\u202e" for char in text.replace("\n", ""))


def write_hostile(folder: Path) -> Path:
    """One chat whose every text, id and path would steer a terminal."""
    call = {"id": "c1", "type": "function", "function": {"name": f"Bash{STEERING}", "arguments": '{"command": "ls"}'}}
    row = {
        "id": f"chat{STEERING}",
        "model": f"big{STEERING}",
        "messages": [
            {"role": "user", "content": f"Fix the parser {STEERING}"},
            {"role": "assistant", "content": f"Looking {STEERING}", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": f"parser.py {STEERING}"},
            {"role": "assistant", "content": f"The parser is mended {STEERING}"},
        ],
    }
    place = folder / "a\x1b[31mb"
    place.mkdir(parents=True)
    (place / "chats.jsonl").write_text(json.dumps(row) + "\n{bad json \x1b[31m\n")
    return place


@pytest.mark.parametrize(
    "flags", [("--preview",), ("--artifact-path", "OUT", "--dataset-name", "d")], ids=["preview", "create"]
)
def test_a_recipe_prints_no_control_character_of_a_trace(tmp_path: Path, flags: tuple[str, ...]) -> None:
    traces = write_hostile(tmp_path)
    given = (str(traces / "out") if flag == "OUT" else flag for flag in flags)
    result = run_cli("--format", "openai_chat", "--trace-dir", traces, "--offline", *given)
    assert result.code == 0, result.err
    assert not has_controls(result.out)
    assert not has_controls(result.err)
    if "--preview" in flags:
        assert "Fix the parser \\x1b[31mred" in " ".join(result.out.replace("│", " ").split())


@pytest.mark.parametrize("flags", [(), ("--json",), ("--show", f"chat{STEERING}"), ("--html", "PAGE")])
def test_inspect_prints_no_control_character_of_a_trace(tmp_path: Path, flags: tuple[str, ...]) -> None:
    traces = write_hostile(tmp_path)
    given = (str(traces / "page.html") if flag == "PAGE" else flag for flag in flags)
    result = run_cli("inspect", "--format", "openai_chat", "--trace-dir", traces, *given)
    assert result.code == 0, result.err
    assert not has_controls(result.out)
    assert not has_controls(result.err)
    if "--json" in flags:
        assert json.loads(result.out)["largest"][0]["model"] == f"big{STEERING}"


def test_an_error_that_names_a_file_steers_no_terminal(tmp_path: Path) -> None:
    result = run_cli("inspect", "--format", "codex", "--trace-dir", tmp_path / "no\x1b]0;owned\x07\udcff")
    assert (result.code, has_controls(result.err)) == (2, False)
    assert "no\\x1b]0;owned\\x07\\udcff: no such folder" in result.err


def test_lines_of_several_rows_stay_so_and_json_stays_json() -> None:
    out, err = io.StringIO(), io.StringIO()
    terminal = Terminal(out, err)
    terminal.say("one\n\ttwo\x1b")
    terminal.note("one\n  two\x1b")
    terminal.say(json.dumps({"name": "\x7f\x1bé"}))
    first, _, last = out.getvalue().rpartition("\n{")
    assert (first, err.getvalue()) == ("one\n\ttwo\\x1b", "one\n  two\\x1b\n")
    assert json.loads("{" + last) == {"name": "\x7f\x1bé"}


def test_a_log_line_steers_no_terminal() -> None:
    record = logging.LogRecord("tracemill", logging.WARNING, "x.py", 1, "trace %s failed", ("\x1b[31mred",), None)
    assert LogFormatter("%(message)s").format(record) == "trace \\x1b[31mred failed"
