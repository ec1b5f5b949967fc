"""Redaction as the command line sets it: on, with a user's rules, off."""

from __future__ import annotations

from pathlib import Path

from tests.run.harness import read_jsonl, read_record, run_cli
from tests.run.sessions import write_sessions

GOAL = "Ask ann.lee@kessler.ch why EMP-004711 cannot log in."


def create(tmp_path: Path, *more: object) -> Path:
    """Run two sessions offline; returns the dataset's folder."""
    traces = write_sessions(tmp_path / "traces", 2, lambda number: f"{GOAL} {number}")
    flags = ["--format", "codex", "--trace-dir", traces, "--artifact-path", tmp_path / "out", "--dataset-name", "set"]
    result = run_cli(*flags, "--offline", "--num-records", "all", *more)
    assert result.code == 0, result.err
    return tmp_path / "out" / "set"


def read_all(folder: Path) -> str:
    """Every text file of a dataset, joined."""
    return "\n".join(
        path.read_text() for path in sorted(folder.glob("*.*")) if path.suffix in (".jsonl", ".json", ".md")
    )


def test_rules_of_the_user_are_used(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules]\nemployee_id = 'EMP-\\d{6}'\n")
    folder = create(tmp_path, "--redact-extra", rules)
    text = read_all(folder)
    assert "EMP-004711" not in text
    assert "ann.lee@kessler.ch" not in text
    assert "[REDACTED_EMPLOYEE_ID_" in text
    assert read_record(folder)["counts"]["read"]["redacted"]["employee_id"] >= 2


def test_redaction_can_be_switched_off_and_the_card_says_so(tmp_path: Path) -> None:
    folder = create(tmp_path, "--no-redact")
    assert all("ann.lee@kessler.ch" in str(row["trace_digest"]) for row in read_jsonl(folder / "all.jsonl"))
    assert "Redaction was switched off" in (folder / "README.md").read_text()
    assert read_record(folder)["arguments"]["no_redact"] is True
    assert read_record(folder)["counts"]["read"]["redacted"] == {}


def test_other_rules_are_another_run(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules]\nemployee_id = 'EMP-\\d{6}'\n")
    folder = create(tmp_path, "--redact-extra", rules)
    first = read_record(folder)["fingerprint"]["arguments"]["redact_extra"]
    rules.write_text("[rules]\nemployee_id = 'EMP-\\d{4}'\n")
    other = create(tmp_path, "--redact-extra", rules, "--dataset-name", "other").parent / "other"
    assert read_record(other)["fingerprint"]["arguments"]["redact_extra"] != first


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 1)
    flags = ["--format", "codex", "--trace-dir", traces, "--offline", "--preview"]
    result = run_cli(*flags, "--redact-extra", tmp_path / "none.toml")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "No such file" in result.err
    result = run_cli(*flags, "--redact-extra", tmp_path / "none.toml", "--no-redact")
    assert (result.code, result.err.count("\n")) == (2, 1)
