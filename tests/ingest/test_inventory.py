"""Which files are found, how they are grouped, and what a selection takes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tracemill.errors import ConfigError, InputError
from tracemill.ingest import get_source
from tracemill.ingest.inventory import Partition, Selection, locate_files, take_inventory

CODEX = get_source("codex")


def write_session(folder: Path, name: str, session_id: str, day: str = "2026-03-01") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-{name}.jsonl"
    meta = {"type": "session_meta", "timestamp": f"{day}T10:00:00Z", "payload": {"id": session_id, "cwd": "/repo"}}
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"Task {name}"}]}
    row = {"type": "response_item", "timestamp": f"{day}T10:00:01Z", "payload": said}
    path.write_text(json.dumps(meta) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    return path


def take(folder: Path, selection: Selection | None = None) -> list[list[str]]:
    root, files = locate_files(CODEX, str(folder))
    inventory = take_inventory(CODEX, root, files, selection or Selection())
    return [[path.name for path in group.paths] for group in inventory.groups]


def test_copies_of_a_session_are_one_group(tmp_path: Path) -> None:
    for name, session in (("a", "one"), ("b", "two"), ("c", "one")):
        write_session(tmp_path, name, session)
    assert take(tmp_path) == [["rollout-a.jsonl", "rollout-c.jsonl"], ["rollout-b.jsonl"]]


def test_files_come_in_the_order_of_paths_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("a", "a b", "a/c", "B"):
        write_session(root / folder, "x", folder)
    write_session(tmp_path / "elsewhere", "y", "y")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "rollout-folder.jsonl").mkdir()
    write_session(root, "z", "z")
    _, files = locate_files(CODEX, str(root))
    assert files == sorted(files)
    folders = [path.parent.relative_to(root).as_posix() for path in files]
    assert folders == ["B", "a/c", "a", "a b", "."]
    assert locate_files(CODEX, str(root), recursive=False)[1] == [root / "rollout-z.jsonl"]


def test_partitions_are_disjoint_and_complete(tmp_path: Path) -> None:
    for number in range(20):
        write_session(tmp_path, f"{number:02d}", f"session-{number}")
    parts = [take(tmp_path, Selection(partition=Partition(index, 3))) for index in range(3)]
    names = [name for part in parts for group in part for name in group]
    assert sorted(names) == [f"rollout-{number:02d}.jsonl" for number in range(20)]
    assert all(parts)


def test_a_shuffle_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for number in range(12):
        write_session(tmp_path, f"{number:02d}", f"session-{number}")
    first, again, other = (take(tmp_path, Selection(shuffle_seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other) == take(tmp_path)


def test_since_takes_sessions_of_that_day_and_later(tmp_path: Path) -> None:
    write_session(tmp_path, "old", "a", day="2026-02-27")
    write_session(tmp_path, "same", "b", day="2026-02-28")
    assert take(tmp_path, Selection(since=date(2026, 2, 28))) == [["rollout-same.jsonl"]]


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    write_session(tmp_path, "good", "a")
    (tmp_path / "rollout-empty.jsonl").touch()
    (tmp_path / "rollout-dangling.jsonl").symlink_to(tmp_path / "nowhere")
    root, files = locate_files(CODEX, str(tmp_path))
    inventory = take_inventory(CODEX, root, files, Selection())
    assert {(loss.reason, Path(loss.path).name) for loss in inventory.rejects} == {
        ("empty_file", "rollout-empty.jsonl"),
        ("unreadable_file", "rollout-dangling.jsonl"),
    }
    assert inventory.files_in == 3


@pytest.mark.parametrize(
    ("trace_dir", "message"),
    [("missing", "no such folder"), ("empty", "no file of Codex sessions under this folder (looked for *.jsonl*)")],
    ids=["missing", "empty"],
)
def test_nothing_to_read_is_said_in_one_line(tmp_path: Path, trace_dir: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        locate_files(CODEX, str(tmp_path / trace_dir))
    assert message in str(caught.value)
    assert trace_dir in str(caught.value)


def test_a_format_without_a_default_folder_asks_for_one() -> None:
    with pytest.raises(InputError, match="--trace-dir"):
        locate_files(get_source("atif"), None)


@pytest.mark.parametrize(("index", "count"), [(3, 3), (-1, 2), (0, 0)], ids=["too high", "negative", "none"])
def test_a_partition_that_cannot_be_is_refused(index: int, count: int) -> None:
    with pytest.raises(ConfigError, match="partition-index"):
        Partition(index, count)
