"""Files are recognised by their content, one by one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tracemill.ingest import FORMAT_NAMES, SOURCES, get_source, store_inventory
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.ingest.source import LossLog, ReadOptions, Source
from tracemill.redact import Redactor

EXAMPLES = Path(__file__).parents[2] / "examples"
AUTO = get_source("auto")
FOLDERS = {"hermes": "hermes_agent", "pi": "pi_coding_agent", "sweagent": "swe_agent", "miniswe": "mini_swe_agent",
           "rlvr": "nemo_gym"}  # fmt: skip


def list_kinds(path: Path) -> set[str]:
    return {trace.source_kind for trace in AUTO.read_file(path, LossLog(path=str(path)), ReadOptions())}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_example_is_read_by_its_own_source(source: Source) -> None:
    paths = [path for path in (EXAMPLES / source.name).rglob("*") if path.is_file() and source.is_session_file(path)]
    found = [path for path in paths if source.read_head(path) is not None]
    assert found
    for path in found:
        assert list_kinds(path) <= {source.name}, path
        assert AUTO.read_head(path) == source.read_head(path)


@pytest.mark.corpus
def test_every_real_file_is_read_by_its_own_source() -> None:
    corpus = os.environ.get("TRACEMILL_CORPUS")
    if not corpus:
        pytest.skip("TRACEMILL_CORPUS is not set")
    checked, wrong = 0, list[tuple[str, set[str]]]()
    for folder in sorted(path for path in Path(corpus).iterdir() if path.is_dir()):
        source = get_source(FOLDERS.get(folder.name, folder.name))
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or not source.is_session_file(path) or source.read_head(path) is None:
                continue
            checked += 1
            if not (kinds := list_kinds(path)) <= {source.name}:
                wrong.append((str(path), kinds))
    assert checked > 100
    assert wrong == []


def test_a_folder_of_many_kinds_is_read_whole(tmp_path: Path) -> None:
    root, files = locate_files(AUTO, str(EXAMPLES))
    inventory = take_inventory(AUTO, root, files, Selection())
    result = store_inventory(AUTO, inventory, Selection(), tmp_path / "store", redactor=Redactor())
    kinds = {trace.source_kind for trace in result.store.iterate()}
    assert kinds == {source.name for source in SOURCES}
    assert inventory.rejects == ()
    assert inventory.files_in == len(files)


def test_auto_is_a_format_of_the_command_line() -> None:
    assert FORMAT_NAMES[-1] == "auto"


def test_a_session_of_many_files_is_one_file_and_no_foreign_ones(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "openhands", tmp_path / "a", dirs_exist_ok=True)
    other = tmp_path / "a" / "elsewhere" / "events"
    other.mkdir(parents=True)
    for number in range(3):
        (other / f"{number}.json").write_text('{"level": "info"}')
    root, files = locate_files(AUTO, str(tmp_path))
    inventory = take_inventory(AUTO, root, files, Selection())
    assert sum(1 for path in files if path.parent.name == "events" and path.parent != other) == 1
    foreign = {Path(loss.path).relative_to(tmp_path).as_posix() for loss in inventory.rejects}
    assert foreign == {f"a/elsewhere/events/{number}.json" for number in range(3)}


def list_foreign(folder: Path) -> set[str]:
    """The files under a folder that are told as losses."""
    root, files = locate_files(AUTO, str(folder))
    inventory = take_inventory(AUTO, root, files, Selection())
    return {Path(loss.path).relative_to(root).as_posix() for loss in inventory.rejects}


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


JUNK = '{"of": "nobody"}\n'
CODEX = "rollout-2026-03-10T07-59-01-019c1445-9801-7d2c-a3df-2f9b6815a974.jsonl"
#: An example of a source, where it lies in its producer's folder, and what lies there with it.
LAYOUTS = {
    "harbor": (
        "atif/nginx-report__8mVqT2c/agent/trajectory.json", "trial/agent/trajectory.json",
        {
            "trial/result.json": '{"task_name": "t"}', "trial/config.json": '{"task": {}, "trial_name": "t"}',
            "trial/trial.log": "x", "trial/verifier/reward.txt": "1", "trial/verifier/test-stdout.txt": "ok",
            "result.json": '{"id": "j", "n_total_trials": 1}', "config.json": '{"job_name": "j"}', "job.log": "x",
        },
    ),
    "claude_code": (
        "claude_code/-home-dev-code-orders/3025ce6b-98aa-4d42-a88c-bfff7cd37893.jsonl", "projects/-p/3025.jsonl",
        {
            "projects/-p/sessions-index.json": '{"version": 1, "entries": []}', "projects/-p/3025.meta.json": JUNK,
            "projects/-p/3025/tool-results/b1.txt": "long", "history.jsonl": '{"display": "fix it", "project": "/p"}\n',
        },
    ),
    "codex": (
        f"codex/2026/03/10/{CODEX}", f"sessions/2026/03/10/{CODEX}",
        {
            "history.jsonl": '{"session_id": "019c", "ts": 1, "text": "fix it"}\n',
            "session_index.jsonl": '{"id": "019c", "thread_name": "Fix", "updated_at": "2026-03-10T08:00:00Z"}\n',
        },
    ),
    "hermes_agent": (
        "hermes_agent/session_20260914_101502_4be1c9.json", "session_20260914_101502_4be1c9.json",
        {"sessions.json": '{"agent:main": {"session_id": "s"}}', "request_dump_1.json": JUNK},
    ),
    "agentscope_studio": (
        "agentscope_studio/database.sqlite", "database.sqlite", {"database.sqlite-shm": "x", "database.sqlite-wal": ""}
    ),
    "step_log": ("step_log/runs/session.jsonl", "runs/a/session.jsonl", {"runs/report.json": '{"results": []}'}),
    "miroflow": (
        "miroflow/task_velmora-7_attempt-1_format-retry-0_2026-01-11-10-00-00.json", "logs/task_1.json",
        {
            "benchmark_results.jsonl": '{"task_id": "1", "attempts": []}\n',
            "logs/benchmark_results_pass_at_1_accuracy.txt": "50%", "logs/task_root_attempt_0_retry_0.json": JUNK,
        },
    ),
    "nemo_gym": (
        "nemo_gym/harbour_rollouts.jsonl", "rollouts.jsonl",
        {"rollouts_materialized_inputs.jsonl": '{"_ng_task_index": 0}\n', "rollouts_aggregate_metrics.json": JUNK},
    ),
    "swe_agent": (
        "swe_agent/tally-41/tally-41.traj", "t-1/t-1.traj",
        {
            "preds.json": "{}", "run_batch.config.yaml": "x: 1", "run_batch_exit_statuses.yaml": "x: 1",
            "t-1/t-1.trace.log": "x", "t-1/t-1.config.yaml": "x: 1", "t-1/t-1.pred": "{}", "t-1/t-1.patch": "x",
        },
    ),
    "mini_swe_agent": (
        "mini_swe_agent/tally-52.traj.json", "t-2/t-2.traj.json",
        {"preds.json": "{}", "exit_statuses_17.yaml": "x: 1", "minisweagent.log": "x"},
    ),
    "openhands": (
        "openhands/evaluation/output.jsonl", "output.jsonl",
        {
            "metadata.json": '{"agent_class": "CodeActAgent"}', "report.json": '{"resolved_ids": []}',
            "output.report.json": "{}", "output.swebench_eval.jsonl": '{"instance_id": "1"}\n',
            "output.swebench.jsonl": '{"instance_id": "1", "model_patch": ""}\n', "cost_report.jsonl": "{}",
            "llm_completions/t-1/gpt-1.json": '{"messages": []}', "infer_logs/instance_t-1.log": "x",
        },
    ),
    "openhands_archive": (
        "openhands/sessions/2f6f0d3b8c1e4a57/events/0.json", "event_000000_a.json",
        {"meta.json": '{"id": "a", "sandbox_id": "b"}'},
    ),
    "openhands_sdk": (
        "openhands/5f1e2d3c4b5a49688776655443322110/base_state.json", "workspace/conversations/a/base_state.json",
        {
            "workspace/conversations/a/meta.json": '{"title": "T", "initial_message": null}',
            "workspace/conversations/a/events/.eventlog.lock": "",
            "workspace/conversations/a/events/.eventlog-len-10.marker": "",
            "workspace/bash_events/20261001_BashCommand_1": '{"command": "ls"}', "workspace/bash_events/x.json": JUNK,
        },
    ),
    "openhands_session": (
        "openhands/sessions/2f6f0d3b8c1e4a57/events/0.json", "s/events/0.json",
        {
            "s/metadata.json": '{"conversation_id": "s"}', "s/init.json": "{}", "s/agent_state.pkl": "x",
            "s/conversation_stats.pkl": "x", "s/llm_registry.json": "{}",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("example", "place", "beside"), LAYOUTS.values(), ids=LAYOUTS)
def test_what_a_producer_writes_beside_its_traces_is_no_loss(
    example: str, place: str, beside: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "with"
    write(folder, {**beside, "notes.txt": "mine", "sub/other.json": JUNK})
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLES / example, folder / place)
    assert list_foreign(folder) == {"notes.txt", "sub/other.json"}
    alone = tmp_path / "without"
    write(alone, {**beside, "notes.txt": "mine"})
    assert list_foreign(alone) == {*beside, "notes.txt"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("result.json", '{"passed": true}'),
        ("config.json", '{"debug": true}'),
        ("metadata.json", JUNK),
        ("report.json", "not JSON"),
        ("benchmark_results.jsonl", JUNK),
        ("history.jsonl", JUNK),
        ("-wal", "x"),
        ("elsewhere.sqlite-wal", "x"),
        ("deeper/below/far/away/down/preds.json", "{}"),
    ],
)
def test_a_companion_s_name_alone_hides_nothing(tmp_path: Path, name: str, text: str) -> None:
    for number, (example, place, _) in enumerate(LAYOUTS.values()):
        (tmp_path / str(number) / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / example, tmp_path / str(number) / place)
        write(tmp_path / str(number), {name: text})
    assert list_foreign(tmp_path) == {f"{number}/{name}" for number in range(len(LAYOUTS))}


def test_a_trace_under_a_companion_s_name_is_read(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "hermes_agent" / "session_20260914_101502_4be1c9.json", tmp_path)
    shutil.copy(EXAMPLES / "atif" / "release-notes.json", tmp_path / "sessions.json")
    shutil.copy(EXAMPLES / "codex" / "2026" / "03" / "10" / CODEX, tmp_path / "rollout-1.jsonl")
    shutil.copy(EXAMPLES / "step_log" / "runs" / "session.jsonl", tmp_path / "rollout-1_materialized_inputs.jsonl")
    assert sorted(path.name for path in locate_files(AUTO, str(tmp_path))[1]) == [
        "rollout-1.jsonl", "rollout-1_materialized_inputs.jsonl", "session_20260914_101502_4be1c9.json", "sessions.json"
    ]  # fmt: skip
    assert list_foreign(tmp_path) == set()


def test_a_twin_of_no_trace_and_a_companion_far_above_are_foreign(tmp_path: Path) -> None:
    write(tmp_path, {"notes.jsonl": JUNK, "notes.meta.json": JUNK, "top/preds.json": "{}", "lone.meta.json": JUNK})
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    shutil.copy(EXAMPLES / "swe_agent" / "tally-41" / "tally-41.traj", tmp_path / "top" / "a" / "b" / "t.traj")
    assert list_foreign(tmp_path) == {"notes.jsonl", "notes.meta.json", "top/preds.json", "lone.meta.json"}


def test_what_cannot_be_read_beside_a_companion_hides_no_trace(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "step_log" / "runs", tmp_path / "runs")
    (tmp_path / "runs" / "a_dangling.jsonl").symlink_to(tmp_path / "nowhere")
    assert list_foreign(tmp_path) == {"runs/a_dangling.jsonl"}


def test_rows_of_two_kinds_in_one_file_are_told_with_what_to_do(tmp_path: Path) -> None:
    """A file is read as what its first source knows; with one trace or several, the rest is lost."""
    chat = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}'
    rollout = '{"responses_create_params": {"input": "q"}, "response": {"output": []}, "reward": 1}'
    for number, lines in enumerate(([chat, rollout], [chat, rollout, rollout])):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        log = LossLog(path=str(path))
        traces = list(AUTO.read_file(path, log, ReadOptions()))
        entries = AUTO.list_entries(path) or ()
        assert AUTO.read_entry is not None
        entry_log = LossLog(path=str(path))
        for entry in entries:
            list(AUTO.read_entry(path, entry, entry_log, ReadOptions()))
        assert ({trace.source_kind for trace in traces}, len(entries)) == ({"nemo_gym"}, (0, 3)[number])
        for told in (log, entry_log)[: 1 + number]:
            (loss,) = told.losses
            assert (loss.reason, loss.line) == ("malformed_record", 1)
            assert "nemo_gym" in loss.detail
            assert "--format" in loss.detail
            assert "split the file" in loss.detail


def test_what_the_readme_says_is_read_beside_traces_is_a_companion() -> None:
    section = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8").split("## Formats\n", 1)[1].split("\n## ")[0]
    told = {name for line in section.splitlines() if line.startswith("- ") for name in re.findall(r"`([\w.-]+)`", line)}
    beside = {Path(name).name for _, _, files in LAYOUTS.values() for name in files}
    assert {name for name in told if "." in name} - {"output.jsonl"} <= beside
    assert {name for name in told if "." not in name} <= {source.name for source in SOURCES}
    assert len(told) > 15
