"""Mistakes of the user: one line on stderr that says what to do, exit 2, and nothing left on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.harness import run_cli
from tests.run.sessions import write_sessions


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    return write_sessions(tmp_path / "traces", 7)


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "unknown recipe": (["agent_rollout_destillation", "--format", "codex"], ["no recipe", "there are"]),
    "unknown flag": (["--format", "codex", "--fast"], ["--fast"]),
    "no format": ([], ["--format"]),
    "unknown format": (["--format", "cursor"], ["cursor", "codex", "--help"]),
    "missing folder": (["--format", "codex", "--trace-dir", "nowhere", "--offline"], ["nowhere"]),
    "default folder missing": (["--format", "codex", "--offline"], [".codex/sessions"]),
    "atif without folder": (["--format", "atif", "--offline"], ["--trace-dir"]),
    "empty folder": (["--format", "codex", "--trace-dir", "empty", "--offline"], ["empty"]),
    "another format's folder": (["--format", "atif", "--trace-dir", "traces", "--offline"], ["traces"]),
    "no session selected": (["--format", "codex", "--trace-dir", "traces", "--offline", "--select", "x"], ["x"]),
    "nothing so late": (
        ["--format", "codex", "--trace-dir", "traces", "--offline", "--since", "2030-01-01"], ["2030-01-01"]),
    "index alone": (["--format", "codex", "--partition-index", "0"], ["--num-partitions"]),
    "partitions alone": (["--format", "codex", "--num-partitions", "2"], ["--partition-index"]),
    "index too large": (
        ["--format", "codex", "--trace-dir", "traces", "--offline", "--partition-index", "2", "--num-partitions", "2"],
        ["2"]),
    "negative index": (
        ["--format", "codex", "--trace-dir", "traces", "--offline", "--partition-index=-1", "--num-partitions", "2"],
        ["-1"]),
    "no partition": (
        ["--format", "codex", "--trace-dir", "traces", "--offline", "--partition-index", "0", "--num-partitions", "0"],
        ["0"]),
    "zero records": (["--format", "codex", "--num-records", "0"], ["--num-records", "0"]),
    "records in words": (["--format", "codex", "--num-records", "many"], ["--num-records", "many"]),
    "a fraction of requests": (["--format", "codex", "--max-requests", "1.5"], ["--max-requests", "1.5"]),
    "no patience": (["--format", "codex", "--patience", "0"], ["--patience"]),
    "negative patience": (["--format", "codex", "--patience=-3"], ["--patience"]),
    "patience that is no number": (["--format", "codex", "--patience", "nan"], ["--patience"]),
    "no cost": (["--format", "codex", "--max-cost=-1", "--input-price", "1"], ["--max-cost"]),
    "a negative price": (["--format", "codex", "--max-cost", "1", "--input-price=-1"], ["--input-price"]),
    "cost without price": (["--format", "codex", "--max-cost", "1"], ["--input-price"]),
    "score 5": (["--format", "codex", "--min-score", "5"], ["--min-score", "5"]),
    "a tiny view": (["--format", "codex", "--view-chars", "20"], ["--view-chars 20"]),
    "no line bytes": (["--format", "codex", "--max-line-bytes", "0"], ["--max-line-bytes"]),
    "no date": (["--format", "codex", "--since", "yesterday"], ["yesterday"]),
    "resume a preview": (["--format", "codex", "--preview", "--resume"], ["--resume"]),
    "offline with a model": (["--format", "codex", "--offline", "--model", "x"], ["--model"]),
    "a name with a slash": (["--format", "codex", "--dataset-name", "../x"], ["--dataset-name"]),
    "unknown alias": (["--format", "codex", "--trace-dir", "traces", "--model-alias", "gpt"], ["gpt", "nvidia-super"]),
    "unknown judge": (
        ["--format", "codex", "--trace-dir", "traces", "--preview", "--judge-model-alias", "gpt"], ["gpt"]),
    "unknown provider": (["--format", "codex", "--provider", "acme", "--model", "x"], ["acme", "openrouter"]),
    "endpoint without model": (["--format", "codex", "--endpoint", "http://127.0.0.1:1/v1"], ["--model"]),
    "endpoint that is no URL": (["--format", "codex", "--endpoint", "localhost", "--model", "x"], ["http://"]),
    "merge of nothing": (["merge", "nothing"], ["nothing"]),
    "merge without a name": (["merge"], ["name"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    arguments, words = MISTAKES[name]
    result = run_cli(*arguments)
    assert result.code == 2, (result.out, result.err)
    assert "Traceback" not in result.err
    lines = result.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
    assert "_parse" not in lines[0]
    assert not any((tmp_path / "artifacts").rglob("*.json*"))
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        ["empty", "home", "tmp", "traces"], ["artifacts", "empty", "home", "tmp", "traces"]
    )  # fmt: skip
    if (tmp_path / "artifacts").exists():
        assert list((tmp_path / "artifacts").iterdir()) == []


def test_create_without_a_key_names_three_ways_out(traces: Path, tmp_path: Path) -> None:
    result = run_cli("--format", "codex", "--trace-dir", traces, "--artifact-path", tmp_path / "out")
    assert (result.code, len(result.error_lines)) == (2, 1)
    for words in ("NVIDIA_API_KEY", "--endpoint", "--offline"):
        assert words in result.error_lines[0]
    assert not (tmp_path / "out").exists()
    judge = run_cli("--format", "codex", "--trace-dir", traces, "--endpoint", "http://127.0.0.1:9/v1", "--model", "m",
                    "--judge-model-alias", "openai-text", "--artifact-path", tmp_path / "out")  # fmt: skip
    assert (judge.code, "OPENAI_API_KEY" in judge.err) == (2, True)


def test_preview_without_a_key_falls_back_and_says_so(traces: Path) -> None:
    result = run_cli("--format", "codex", "--trace-dir", traces, "--preview")
    assert result.code == 0
    lines = result.err.splitlines()
    assert len([line for line in lines if "NVIDIA_API_KEY is not set" in line and "offline" in line]) == 1
