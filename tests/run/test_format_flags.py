"""Flags that say something to some formats alone: an error for the others, in a recipe and in ``inspect``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.harness import ROOT, run_cli
from tests.run.sessions import write_sessions
from tracemill.errors import ConfigError
from tracemill.ingest import FORMAT_NAMES
from tracemill.run import inspect
from tracemill.run.options import parse_options

FLAGS = {
    "--by=run": {"agentscope_studio"},
    "--by=reply": {"agentscope_studio"},
    "--db=x": {"agentscope_studio", "hermes_agent"},
    "--branches": {"claude_code", "pi_coding_agent"},
}


@pytest.mark.parametrize("name", FORMAT_NAMES)
@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_is_for_its_formats(name: str, flag: str) -> None:
    if name in FLAGS[flag] or name == "auto":
        parse_options("distillation", [f"--format={name}", flag])
        parse_options("distillation", [*flag.split("="), "--format", name])
        return
    for arguments in ([f"--format={name}", flag], [*flag.split("="), "--format", name]):
        with pytest.raises(ConfigError, match=f"^{flag.partition('=')[0]} .*--format {name} has none; leave it out"):
            parse_options("distillation", arguments)
    with pytest.raises(ConfigError) as caught:
        inspect.build_parser().parse_args([f"--format={name}", flag])
    told = str(caught.value)
    assert "\n" not in told
    assert all(useful in told for useful in FLAGS[flag])


def test_without_them_every_format_has_its_defaults() -> None:
    for name in FORMAT_NAMES:
        options = parse_options("distillation", ["--format", name, "--trace-dir", "x"])
        assert (options.by, options.branches, options.trace_dir) == ("reply", False, "x")


def test_the_database_is_what_is_read() -> None:
    assert parse_options("distillation", ["--format=hermes_agent", "--db=state.db"]).trace_dir == "state.db"


@pytest.mark.parametrize("command", [(), ("inspect",)], ids=["recipe", "inspect"])
@pytest.mark.parametrize("flag", ["--by=run", "--branches"])
def test_the_command_line_says_so_in_one_line(tmp_path: Path, command: tuple[str, ...], flag: str) -> None:
    traces = write_sessions(tmp_path / "traces", 1)
    result = run_cli(*command, "--format", "codex", "--trace-dir", traces, flag)
    assert result.code == 2
    assert result.err.startswith(f"error: {flag.partition('=')[0]} ")
    assert result.err.count("\n") == 1


def test_a_database_is_named_for_a_format_without_one() -> None:
    result = run_cli("inspect", "--format", "atif", "--db", ROOT / "examples" / "atif")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--trace-dir names any file or folder" in result.err
