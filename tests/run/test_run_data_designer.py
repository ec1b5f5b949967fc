"""Data Designer's own command line runs the recipes, and its own recipes run on our seed source."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.model_server import ServerHandle
from tests.run.harness import ROOT, Result, build_environment
from tests.run.sessions import make_goal, write_sessions

RECIPE = ROOT / "recipes" / "agent_rollout_distillation.py"


@pytest.fixture
def place(tmp_path: Path, server: ServerHandle) -> Iterator[Path]:
    """A working directory of its own, beside a home in which Data Designer may keep its settings."""
    settings = tmp_path / "settings"
    settings.mkdir()
    provider = {"name": "nvidia", "endpoint": server.url, "provider_type": "openai", "api_key": "NVIDIA_API_KEY"}
    (settings / "model_providers.yaml").write_text(json.dumps({"providers": [provider]}))
    (tmp_path / "work").mkdir()
    yield tmp_path / "work"
    assert [path for path in (tmp_path / "tmp").iterdir() if path.name.startswith("tracemill")] == []


def run_designer(place: Path, *arguments: object, **extra: str) -> Result:
    """The command ``data-designer``; telemetry is off, as Data Designer's users switch it off."""
    environment = build_environment(place.parent / "home", DATA_DESIGNER_HOME=str(place.parent / "settings"),
                                    NEMO_TELEMETRY_ENABLED="false", COLUMNS="200", **extra)  # fmt: skip
    command = [str(Path(sys.executable).with_name("data-designer")), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def read_rows(place: Path) -> list[dict[str, object]]:
    files = sorted(place.rglob("parquet-files/*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def test_preview_offline_from_another_folder(place: Path) -> None:
    result = run_designer(place, "preview", RECIPE, "-n", 3, "--non-interactive", "--", "--format", "codex",
                          "--trace-dir", ROOT / "examples" / "codex", "--offline")  # fmt: skip
    assert result.code == 0, result.out + result.err
    assert "3 record(s)" in result.out
    assert "groundedness_score" in result.out


def test_more_records_than_traces(place: Path) -> None:
    traces = write_sessions(place.parent / "traces", 3)
    result = run_designer(place, "create", RECIPE, "-n", 10, "--artifact-path", place / "out", "--", "--format",
                          "codex", "--trace-dir", traces, "--offline")  # fmt: skip
    assert result.code == 0, result.out + result.err
    assert "only 3 traces" in result.out + result.err
    rows = read_rows(place)
    assert len({row["trace_id"] for row in rows}) == len(rows) == 3


@pytest.mark.parametrize("command", ["preview", "create"])
def test_models_are_called_as_the_front_door_calls_them(place: Path, server: ServerHandle, command: str) -> None:
    traces = write_sessions(place.parent / "traces", 3)
    more = ["--non-interactive"] if command == "preview" else ["--artifact-path", place / "out"]
    result = run_designer(place, command, RECIPE, "-n", 5, *more, "--", "--format", "codex", "--trace-dir", traces,
                          NVIDIA_API_KEY="k3y")  # fmt: skip
    assert result.code == 0, result.out + result.err
    assert "only 3 traces" in result.out + result.err
    kinds = server.stats()["kind"]
    assert {kind: kinds[kind] for kind in ("digest", "record", "judge")} == {"digest": 3, "record": 3, "judge": 3}
    for record in server.requests:
        if record.kind == "digest":
            assert "<trace_view" in record.prompt
            assert "Each tool call is one line" in record.prompt
    assert {record.headers["authorization"] for record in server.requests} == {"Bearer k3y"}
    if command == "create":
        rows = read_rows(place)
        assert sorted(str(row["sft_instruction"]) for row in rows) == [make_goal(number) for number in range(3)]
        assert {row["recommended_for_sft"] for row in rows} == {True}


def test_padding_never_shuts_a_run_down(place: Path, server: ServerHandle) -> None:
    """Data Designer ends a run early when half of its last tasks failed; rows without a trace are no failures."""
    traces = write_sessions(place.parent / "traces", 6)
    result = run_designer(place, "create", RECIPE, "-n", 60, "--artifact-path", place / "out", "--", "--format",
                          "codex", "--trace-dir", traces, "--keep-view", NVIDIA_API_KEY="k3y")  # fmt: skip
    assert result.code == 0, result.out + result.err
    assert len(read_rows(place)) == 6
    assert server.count("judge") == 6


ELSEWHERE = [["--endpoint", "http://127.0.0.1:1/v1"], ["--resume"], ["--max-requests", "4"], ["--preview"]]


@pytest.mark.parametrize("flags", ELSEWHERE, ids=["endpoint", "resume", "max-requests", "preview"])
def test_what_is_not_available_is_said(place: Path, flags: list[str]) -> None:
    result = run_designer(place, "preview", RECIPE, "--non-interactive", "--", "--format", "codex", "--trace-dir",
                          ROOT / "examples" / "codex", *flags)  # fmt: skip
    words = " ".join((result.out + result.err).split())
    assert result.code != 0
    assert f"{flags[0]} is not available under data-designer" in words
    assert "recipe.py" in words
    assert "Traceback" not in words


PLAIN = """
import data_designer.config as dd
from tracemill.plugin.config import AgentTraceSeedSource

def load_config_builder():
    builder = dd.DataDesignerConfigBuilder(model_configs=[])
    builder.with_seed_dataset({source})
    builder.add_column(dd.ExpressionColumnConfig(
        name="line", expr="{{{{ source_kind }}}}: {{{{ message_count }}}} messages, {{{{ tool_call_count }}}} calls, "
        "last {{{{ final_assistant_message }}}}, first {{{{ messages[0].role }}}}"))
    return builder
"""
SOURCES = {
    "theirs": "dd.AgentRolloutSeedSource(path={path!r}, format='codex')",
    "ours": "AgentTraceSeedSource(path={path!r}, format='codex')",
}


def test_a_plain_config_runs_on_both_sources(place: Path) -> None:
    traces = write_sessions(place.parent / "traces", 3)
    rows: dict[str, list[dict[str, object]]] = {}
    for name, source in SOURCES.items():
        config = place / f"{name}.py"
        config.write_text(PLAIN.format(source=source.format(path=str(traces))))
        out = place / name
        result = run_designer(place, "create", config, "-n", 3, "--artifact-path", out)
        assert result.code == 0, result.out + result.err
        rows[name] = sorted(read_rows(out), key=lambda row: str(row["trace_id"]))
    assert len(rows["ours"]) == len(rows["theirs"]) == 3
    assert set(rows["theirs"][0]) <= set(rows["ours"][0])
    for ours, theirs in zip(rows["ours"], rows["theirs"], strict=True):
        for name in ("trace_id", "source_kind", "root_session_id", "cwd", "tool_call_count", "final_assistant_message"):
            assert ours[name] == theirs[name], name
        line = re.sub(r"\d+ messages", "n messages", str(ours["line"]))
        assert line == re.sub(r"\d+ messages", "n messages", str(theirs["line"]))
