"""Faults of the endpoint: those that pass cost no row, those that stay end the run, one row's stay its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import Behaviour, Fault, Match, ServerHandle
from tests.run.harness import NAME, Result, check_whole, list_flags, list_hidden, read_jsonl, read_record, run_cli
from tests.run.sessions import make_goal, make_id, write_sessions

#: Requests of every call of the last row of five, of whichever column.
SCORES = ("groundedness", "standalone_task", "response_quality", "faithfulness", "training_utility")


def run_create(server: ServerHandle, tmp_path: Path, count: int, *flags: object) -> tuple[Result, Path]:
    traces = write_sessions(tmp_path / "traces", count)
    result = run_cli(*list_flags(server, traces, tmp_path / "out", "--max-parallel-requests", 16, *flags))
    return result, tmp_path / "out" / NAME


PASSING = {
    "each prompt fails once": (40, Fault("500", first_per_prompt=True), ()),
    "each prompt meets an overload once": (20, Fault("503", first_per_prompt=True), ()),
    "one answer in five is malformed": (60, Fault("prose", when=Match(fraction=0.2, per_attempt=True)), ()),
    "one answer in five is cut off": (40, Fault("truncated", when=Match(fraction=0.2, per_attempt=True)), ()),
    "one answer in five is empty": (40, Fault("empty", when=Match(fraction=0.2, per_attempt=True)), ()),
    "cut connections": (40, Fault("cut", when=Match(fraction=0.2, per_attempt=True)), ()),
    "a gateway page instead of an answer": (20, Fault("html", times=10), ()),
    "timeouts": (20, Fault("slow", ms=4000, when=Match(fraction=0.1), times=6, first_per_prompt=True),
                 ("--timeout", 1)),
    "rate limit with Retry-After for a while": (30, Fault("429", between=(0.2, 2.2), retry_after_s=1), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_faults_that_pass_cost_no_row(server: ServerHandle, tmp_path: Path, name: str) -> None:
    count, fault, flags = PASSING[name]
    server.behaviour = Behaviour(latency_ms=20, faults=(fault,))
    result, folder = run_create(server, tmp_path, count, *flags)
    assert result.code == 0, result.err
    assert any(record.fault for record in server.requests)
    rows = check_whole(folder, count)
    assert {row["sft_quality_judge_result_status"] for row in rows} == {"ok"}
    assert len(read_jsonl(folder / "sft.jsonl")) == count
    usage = read_record(folder)["usage"]["test-model"]
    assert usage["requests"] == len(server.requests)


def test_a_window_of_errors_in_the_middle_of_a_run_costs_no_row(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(latency_ms=100, faults=(Fault("500", between=(2.0, 8.0)),))
    result, folder = run_create(server, tmp_path, 300)
    assert result.code == 0, result.err
    assert server.count(fault="500") > 16
    assert any(record.arrived_s < 2 for record in server.requests)
    rows = check_whole(folder, 300)
    assert [row["trace_id"] for row in rows if row["not_recommended_reason"] != "none"] == []


STAYING = {
    "rate limit for ever, to be waited for long": (
        Fault("429", retry_after_s=900),
        ("--patience", 3, "--timeout", 2),
        "HTTP 429",
    ),
    "rate limit for ever": (Fault("429", retry_after_s=1), ("--patience", 3), "HTTP 429"),
    "errors for ever": (Fault("500"), ("--patience", 3), "HTTP 500"),
    "no answer for ever": (Fault("hang"), ("--patience", 2, "--timeout", 1), "timed out|no answer|timeout"),
    "quota used up": (Fault("quota"), (), "quota or credit"),
    "wrong key": (Fault("401"), (), "API key was refused"),
    "context too long for every row": (Fault("context_length"), (), "lower --view-chars"),
}


@pytest.mark.parametrize("name", STAYING)
def test_faults_that_stay_end_the_run_with_a_line(server: ServerHandle, tmp_path: Path, name: str) -> None:
    fault, flags, words = STAYING[name]
    server.behaviour = Behaviour(faults=(fault,))
    started = time.monotonic()
    result, folder = run_create(server, tmp_path, 30, *flags)
    assert time.monotonic() - started < 20
    assert result.code == 3, (result.out, result.err)
    assert len(result.error_lines) == 1
    assert any(word in result.error_lines[0] for word in words.split("|")), result.err
    assert "--resume" in result.error_lines[0]
    assert "Traceback" not in result.err
    assert read_record(folder)["state"] == "stopped"
    server.behaviour = Behaviour()
    again = run_cli(*list_flags(server, tmp_path / "traces", tmp_path / "out", "--resume"))
    assert again.code == 0, again.err
    assert len(read_jsonl(folder / "sft.jsonl")) == len(check_whole(folder, 30))
    assert list_hidden(folder) == []


def test_a_row_that_waits_longer_than_patience_for_its_turn_is_kept(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(latency_ms=150, rule=lambda record: limit_rate(server))
    result, folder = run_create(server, tmp_path, 30, "--patience", 4)
    assert result.code == 0, result.err
    assert server.count(fault="429") > 5
    rows = check_whole(folder, 30)
    assert {row["sft_quality_judge_result_status"] for row in rows} == {"ok"}
    assert server.requests[-1].arrived_s > 5


def limit_rate(server: ServerHandle) -> Fault | None:
    """An endpoint that takes two requests at a time."""
    return Fault("429", retry_after_s=0.2) if server.in_flight >= 2 else None


def test_a_fault_that_stays_after_a_good_beginning_ends_the_run(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(latency_ms=20, faults=(Fault("429", skip=40),))
    result, folder = run_create(server, tmp_path, 60, "--patience", 3)
    assert result.code == 3
    done = server.count(status=200)
    server.behaviour = Behaviour()
    before = len(server.requests)
    again = run_cli(*list_flags(server, tmp_path / "traces", tmp_path / "out", "--resume"))
    assert again.code == 0, again.err
    check_whole(folder, 60)
    assert len(server.requests) - before == 180 - done


def test_an_endpoint_that_is_not_there_ends_the_run_with_a_line(server: ServerHandle, tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 8)
    server.url = "http://127.0.0.1:9/v1"  # nobody listens on the discard port
    result = run_cli(*list_flags(server, traces, tmp_path / "out", "--patience", 2))
    assert (result.code, len(result.error_lines)) == (3, 1), result.err


BAD = 2  # the row that a fault of one row hits
ONE_ROW: dict[str, tuple[Fault, dict[str, Any]]] = {
    "context too long": (
        Fault("context_length", when=Match(column="digest", contains=make_goal(BAD))),
        {"trace_digest": "failed", "sft_record": "skipped", "sft_quality_judge_result": "skipped",
         "reason": "digest_failed", "error": "lower --view-chars"},
    ),
    "refusal of the record": (
        Fault("refusal", when=Match(column="record", contains=make_goal(BAD))),
        {"trace_digest": "ok", "sft_record": "failed", "sft_quality_judge_result": "skipped",
         "reason": "record_failed", "error": ""},
    ),
    "refusal in prose": (
        Fault("refusal_prose", when=Match(column="record", contains=make_goal(BAD))),
        {"trace_digest": "ok", "sft_record": "failed", "sft_quality_judge_result": "skipped",
         "reason": "record_failed", "error": ""},
    ),
    **{
        kind.replace("_", " "): (
            Fault(kind, when=Match(column="judge", contains=make_goal(BAD)), dimension=dimension),
            {"trace_digest": "ok", "sft_record": "ok", "sft_quality_judge_result": "judge_failed",
             "reason": "judge_failed", "error": "attempts"},
        )
        for kind, dimension in [("missing_score", "faithfulness"), ("null_score", None), ("score_word", "groundedness")]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_fault_of_one_row_leaves_the_others_right(server: ServerHandle, tmp_path: Path, name: str) -> None:
    fault, expected = ONE_ROW[name]
    server.behaviour = Behaviour(faults=(fault,))
    result, folder = run_create(server, tmp_path, 6)
    assert result.code == 0, result.err
    rows = {row["trace_id"]: row for row in check_whole(folder, 6)}
    bad = rows.pop(make_id(BAD))
    for column in ("trace_digest", "sft_record", "sft_quality_judge_result"):
        assert bad[f"{column}_status"] == expected[column]
        is_ok = expected[column] == "ok"
        assert (bad[column] is not None, bad[f"{column}_error"] is None) == (is_ok, is_ok)
    failed = next(column for column in ("trace_digest", "sft_record", "sft_quality_judge_result")
                  if expected[column] != "ok")  # fmt: skip
    assert expected["error"] in bad[f"{failed}_error"]
    assert "\n" not in bad[f"{failed}_error"]
    assert [bad[f"{score}_score"] for score in SCORES] == [None] * 5
    assert (bad["recommended_for_sft"], bad["not_recommended_reason"]) == (False, expected["reason"])
    for row in rows.values():
        assert [row[f"{score}_score"] for score in SCORES] == [4] * 5
        assert (row["recommended_for_sft"], row["not_recommended_reason"]) == (True, "none")
        assert row["sft_quality_judge_result_error"] is None
    rejects = [entry for entry in read_jsonl(folder / "rejects.jsonl") if entry["stage"] == "recommend"]
    assert [(entry["reason"], entry["trace_id"]) for entry in rejects] == [(expected["reason"], make_id(BAD))]


def test_a_score_as_text_is_an_integer(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(faults=(Fault("score_text"),))
    result, folder = run_create(server, tmp_path, 3)
    assert result.code == 0
    for row in check_whole(folder, 3):
        assert (row["groundedness_score"], type(row["groundedness_score"])) == (4, int)
        assert row["sft_quality_judge_result"]["groundedness"]["score"] == 4
    assert server.count("judge") == 3


def test_context_too_long_for_the_judge_alone(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(rule=lambda record: Fault("context_length") if record.kind == "judge" else None)
    result, folder = run_create(server, tmp_path, 12, "--judge-model-alias", "other-judge")
    assert result.code == 3
    assert "other-judge" in result.error_lines[0]
    assert read_record(folder)["state"] == "stopped"
