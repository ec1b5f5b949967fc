"""Reading groups: every conversation once, copies and conflicts told apart, counts that add up."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tracemill.ingest import ReadResult, get_source, read_into_store, store_inventory
from tracemill.ingest.collect import Intake
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.ingest.source import Loss
from tracemill.redact import Redactor


def write_session(path: Path, session_id: str, texts: list[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"type": "session_meta", "timestamp": "2026-03-01T10:00:00Z", "payload": {"id": session_id}}
    ]
    for number, text in enumerate(texts):
        role = "user" if number % 2 == 0 else "assistant"
        kind = "input_text" if role == "user" else "output_text"
        payload = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        rows.append({"type": "response_item", "timestamp": "2026-03-01T10:00:01Z", "payload": payload})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(folder: Path, tmp: Path, limit: int | None = None, ids: frozenset[str] = frozenset()) -> ReadResult:
    source, selection = get_source("codex"), Selection(trace_ids=ids)
    root, files = locate_files(source, str(folder))
    inventory = take_inventory(source, root, files, selection)
    return store_inventory(source, inventory, selection, tmp, limit=limit, redactor=Redactor())


def test_every_count_of_a_part_is_added() -> None:
    def fill(number: int) -> Intake:
        numbers = {item.name: number for item in fields(Intake) if isinstance(getattr(Intake(), item.name), int)}
        return Intake(**numbers, losses=[Loss("bad_json", str(number))], notes={"x": number}, redacted={"y": number})

    whole = fill(1)
    whole.add(fill(2))
    expected = fill(3)
    expected.losses = [Loss("bad_json", "1"), Loss("bad_json", "2")]
    assert whole == expected


def test_the_longest_copy_of_a_session_stays(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    write_session(folder / "rollout-1.jsonl", "s", ["Fix it", "Looking"])
    write_session(folder / "rollout-2.jsonl", "s", ["Fix it", "Looking", "Thanks", "Done"])
    result = read(folder, tmp_path / "store")
    assert result.store.trace_ids == ["s"]
    assert len(result.store.fetch("s").messages) == 4
    assert result.intake.repeated == 1
    assert [loss.reason for loss in result.intake.losses] == ["repeated_session"]


def test_the_longest_copy_takes_over_earlier_times(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    write_session(folder / "rollout-1.jsonl", "s", ["Fix it", "Looking", "Thanks", "Done"])
    later = (folder / "rollout-1.jsonl").read_text(encoding="utf-8").replace("2026-03-01", "2026-03-02")
    (folder / "rollout-1.jsonl").write_text(later, encoding="utf-8")
    write_session(folder / "rollout-2.jsonl", "s", ["Fix it", "Looking"])
    result = read(folder, tmp_path / "store")
    (trace,) = result.store.iterate()
    assert [(message.timestamp or "")[:10] for message in trace.messages] == ["2026-03-01"] * 2 + ["2026-03-02"] * 2
    assert (trace.source_path, (trace.started_at or "")[:10]) == (str(folder / "rollout-1.jsonl"), "2026-03-01")


def test_two_conversations_with_one_id_both_stay(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    write_session(folder / "rollout-1.jsonl", "s", ["Fix it", "Looking"])
    write_session(folder / "rollout-2.jsonl", "s", ["Another thing", "Fine", "Thanks", "Done"])
    result = read(folder, tmp_path / "store")
    assert len(result.store) == 2
    plain, suffixed = sorted(result.store.trace_ids, key=len)
    assert plain == "s"
    assert suffixed.startswith("s~")
    assert result.intake.notes["id_conflict"] == 1


def test_no_body_is_read_beyond_the_limit(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    for number in range(10):
        write_session(folder / f"rollout-{number}.jsonl", f"s{number}", ["Fix it", "Done"])
    result = read(folder, tmp_path / "store", limit=3)
    assert result.store.trace_ids == ["s0", "s1", "s2"]
    assert result.intake.files_read == 3


def test_select_takes_the_named_sessions(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    for number in range(4):
        write_session(folder / f"rollout-{number}.jsonl", f"s{number}", ["Fix it", "Done"])
    result = read(folder, tmp_path / "store", ids=frozenset({"s2"}))
    assert result.store.trace_ids == ["s2"]
    assert result.intake.not_selected == 3
    result.intake.check()


def write_runs(path: Path, *runs: tuple[str, dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = {"role": "user", "content": "What is 6 x 7?"}
    rows = [{"messages": [asked, {"role": "assistant", "content": answer}], **labels} for answer, labels in runs]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_runs(folder: Path, tmp: Path, workers: int = 1) -> tuple[list[tuple[str, Any, Any]], list[str]]:
    result = read_into_store("openai_chat", str(folder), tmp, workers=workers)
    result.intake.check()
    traces = [result.store.fetch(trace_id) for trace_id in result.store.trace_ids]
    found = ((trace.final_assistant_message, trace.success, trace.reward) for trace in traces)
    runs = sorted(found, key=str)
    return runs, [loss.reason for loss in result.intake.losses]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("42", {"reward": 1.0}), ("4", {"reward": 0.0})),
        (("42", {"reward": 1.0}), ("42", {"reward": 0.0})),
        (("4", {"success": False}), ("42", {"success": False})),
        (("42", {"success": True}), ("42", {})),
        (("42", {"task_id": "a"}), ("42", {"task_id": "b"})),
    ],
    ids=["a part of the other's words", "same words, other reward", "a judged run does not grow", "one label", "tasks"],
)
def test_runs_with_verdicts_of_their_own_are_no_copies(tmp_path: Path, first: Any, second: Any) -> None:
    """Rollouts of two steps of training lie in files of one name, so that their ids are the same."""
    write_runs(tmp_path / "in" / "step_0" / "rollouts.jsonl", first)
    write_runs(tmp_path / "in" / "step_1" / "rollouts.jsonl", second)
    runs, reasons = read_runs(tmp_path / "in", tmp_path / "store")
    told = [(answer, labels.get("success"), labels.get("reward")) for answer, labels in (first, second)]
    assert (sorted(runs, key=str), reasons) == (sorted(told, key=str), [])


def test_a_judged_run_that_was_copied_is_read_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_runs(tmp_path / "in" / name / "rollouts.jsonl", ("42", {"reward": 1.0}))
    assert read_runs(tmp_path / "in", tmp_path / "store") == ([("42", None, 1.0)], ["repeated_session"])


def test_three_runs_of_one_id_get_ids_of_their_own(tmp_path: Path) -> None:
    for number in range(3):
        write_runs(tmp_path / "in" / str(number) / "rollouts.jsonl", ("42", {"reward": number / 2}))
    runs, reasons = read_runs(tmp_path / "in", tmp_path / "store")
    assert (runs, reasons) == ([("42", None, 0.0), ("42", None, 0.5), ("42", None, 1.0)], [])


@pytest.mark.parametrize("session_id", ["s1", None], ids=["its own id", "an id from the file's name"])
def test_a_file_whose_name_is_no_text_is_read(tmp_path: Path, session_id: str | None) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    odd = os.fsdecode(os.fsencode(folder) + b"/rollout-\xff.jsonl")
    write_session(Path(odd), session_id or "s1", ["Go", "Done"])
    if session_id is None:
        Path(odd).write_text(Path(odd).read_text("utf-8").split("\n", 1)[1], encoding="utf-8")
    with Path(odd).open("a", encoding="utf-8") as file:
        file.write("no JSON\n")
    Path(odd.replace("rollout-", "rollout-empty")).write_bytes(b"")
    result = read_into_store("codex", str(folder), tmp_path / "store")
    assert result.store.trace_ids == [session_id or "rollout-?"]
    assert result.store.fetch(result.store.trace_ids[0]).source_path.endswith("/rollout-?.jsonl")
    names = sorted(Path(loss.path).name for loss in result.intake.losses)
    assert names == ["rollout-?.jsonl", "rollout-empty?.jsonl"]
    msgspec.json.encode([loss.path for loss in result.intake.losses])


def test_a_file_that_is_one_document_can_lose_a_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "session_a.json").write_text(
        '{"session_id": "a", "model": "m", "messages": [{"role": "user", "content": "Go"}, {"role": "nobody"}]}'
    )
    result = read_into_store("hermes_agent", str(tmp_path / "in"), tmp_path / "store")
    assert [loss.reason for loss in result.intake.losses] == ["unknown_record_type"]
    assert (result.intake.lines_read, result.intake.lines_with_losses) == (1, 1)
