"""The trace store: what goes in comes out, by id, with little in memory and only for its owner."""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tracemill.errors import InputError
from tracemill.ingest.packed import Packed, Shard, create_shard, pack_trace, rename_packed
from tracemill.ingest.store import TraceStore, write_store
from tracemill.trace import LIGHT_COLUMNS, Message, ToolCall, Trace


def build_trace(number: int, text: str = "Fix it") -> Trace:
    call = ToolCall(f"call-{number}", "shell", '{"cmd": "ls"}')
    return Trace(
        trace_id=f"trace-{number}",
        source_kind="codex",
        source_path=f"/traces/{number}.jsonl",
        root_session_id=f"trace-{number}",
        messages=(
            Message("user", text, origin="human"),
            Message("assistant", "Looking.", tool_calls=(call,), usage={"input_tokens": 3, "output_tokens": 4}),
            Message("tool", ({"type": "text", "text": "a.py"},), origin="tool", tool_call_id=call.id, is_error=False),
        ),
        tools=({"type": "function", "function": {"name": "shell", "parameters": {}}},),
        source_meta={"empty": {}, "nested": [1, None, "x"]},
        success=None,
        reward=0.5,
    )


def put_by_another(folder: Path, number: int, traces: list[Trace]) -> list[Packed]:
    """The traces as another process leaves them: in a shard of its own."""
    create_shard(folder, number)
    with Shard(folder, number) as shard:
        return [replace(packed, encoded=b"", place=shard.put(packed.encoded)) for packed in map(pack_trace, traces)]


def test_a_trace_comes_back_equal(tmp_path: Path) -> None:
    traces = [build_trace(number) for number in range(40)]
    store = write_store(tmp_path / "store", map(pack_trace, traces))
    assert store.trace_ids == [trace.trace_id for trace in traces]
    assert list(store.iterate()) == traces
    assert store.fetch("trace-33") == traces[33]


def test_a_trace_is_kept_until_it_was_fetched_for_the_last_time(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", (pack_trace(build_trace(number)) for number in range(3)))
    first = store.fetch("trace-1")
    assert store.fetch("trace-1") is first
    assert store.fetch("trace-1", is_last=True) is first
    again = store.fetch("trace-1", is_last=True)
    assert again == first
    assert again is not first
    assert store.fetch("trace-1", is_last=True) is not again


def test_where_there_is_no_room_the_traces_kept_longest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(pack_trace(build_trace(0)).encoded)
    monkeypatch.setattr("tracemill.ingest.store._CACHED_BYTES", 2 * size + size // 2)
    monkeypatch.setattr("tracemill.ingest.store._CACHED_FETCHES", 7)
    store = write_store(tmp_path / "store", (pack_trace(build_trace(number)) for number in range(4)))
    fetched = [store.fetch(f"trace-{number}") for number in range(4)]
    assert [store.fetch(f"trace-{number}") is fetched[number] for number in range(4)] == [True, True, False, False]
    store.fetch("trace-2")  # by now nobody took the first in as many fetches: they give way
    assert store.fetch("trace-2") is store.fetch("trace-2")


@settings(max_examples=30, deadline=None)
@given(text=st.text(), others=st.lists(st.text(max_size=50), max_size=20))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str, others: list[str]) -> None:
    traces = [build_trace(number, said) for number, said in enumerate([text, *others])]
    store = write_store(tmp_path_factory.mktemp("any") / "store", map(pack_trace, traces))
    assert list(store.iterate()) == traces
    store.close()


def test_an_integer_of_any_size_comes_back(tmp_path: Path) -> None:
    trace = replace(build_trace(1), source_meta={"huge": 2**70, "low": -(2**70)})
    store = write_store(tmp_path / "store", [pack_trace(trace)])
    assert store.fetch("trace-1") == trace


def test_rows_stand_in_the_order_in_which_they_came_whatever_shard_holds_them(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    traces = [build_trace(number) for number in range(6)]

    def come() -> Iterator[Packed]:
        one = put_by_another(folder, 1, [traces[4], traces[0]])
        two = put_by_another(folder, 2, [traces[3], traces[5], traces[1]])
        yield from (one[1], two[2], pack_trace(traces[2]), two[0], one[0])  # a copy stays where it is, without a row

    store = write_store(folder, come())
    assert store.trace_ids == [f"trace-{number}" for number in range(5)]
    assert list(store.iterate()) == traces[:5]
    assert list(TraceStore(folder).iterate()) == traces[:5]
    assert store.read_light(0, 9, ["source_path"]).column(0).to_pylist() == [
        f"/traces/{number}.jsonl" for number in range(5)
    ]


@pytest.mark.parametrize("in_shard", [True, False], ids=["in_a_shard", "with_its_bytes"])
def test_a_trace_under_another_id_has_it_everywhere(tmp_path: Path, in_shard: bool) -> None:
    folder = tmp_path / "store"

    def come() -> Iterator[Packed]:
        packed = put_by_another(folder, 1, [build_trace(1)])[0] if in_shard else pack_trace(build_trace(1))
        yield rename_packed(packed, "trace-1~abc")

    store = write_store(folder, come())
    assert store.trace_ids == ["trace-1~abc"]
    assert store.fetch("trace-1~abc") == replace(build_trace(1), trace_id="trace-1~abc")
    assert store.read_light(0, 1, ["trace_id"]).column(0).to_pylist() == ["trace-1~abc"]
    assert store.read_light(0, 1, ["root_session_id"]).column(0).to_pylist() == ["trace-1"]


def test_a_store_written_over_another_keeps_nothing_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "store"

    def come() -> Iterator[Packed]:
        yield from put_by_another(folder, 1, [build_trace(1)])

    write_store(folder, come()).close()
    store = write_store(folder, [pack_trace(build_trace(2))])
    assert store.trace_ids == ["trace-2"]
    assert sorted(path.name for path in folder.iterdir()) == ["light.parquet", "traces-0.bin"]


def test_an_empty_store_has_no_rows(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [])
    assert (len(store), store.trace_ids, list(store.iterate())) == (0, [], [])
    assert store.read_light(0, 5, ["trace_id"]).num_rows == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "older"])
def test_a_store_that_is_not_whole_is_one_line(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "store"
    write_store(folder, map(pack_trace, [build_trace(1), build_trace(2)])).close()
    shard, light = folder / "traces-0.bin", folder / "light.parquet"
    if damage == "gone":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        pq.write_table(pa.table({"trace_id": ["trace-1"]}), light)
    with pytest.raises(InputError, match="read the traces again without --resume"):
        TraceStore(folder)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are not listed here")
def test_a_closed_store_holds_no_file_open(tmp_path: Path) -> None:
    before = count_open_files()
    store = write_store(tmp_path / "store", [pack_trace(build_trace(1))])
    assert count_open_files() > before
    store.close()
    store.close()
    assert count_open_files() == before
    write_store(tmp_path / "other", [pack_trace(build_trace(1))])  # nobody closes it
    assert count_open_files() == before


def count_open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_light_rows_are_served_in_slices(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", (pack_trace(build_trace(number)) for number in range(40)))
    table = store.read_light(15, 10, ["trace_id", "tool_call_count", "success"])
    assert table.column("trace_id").to_pylist() == [f"trace-{number}" for number in range(15, 25)]
    assert table.column("tool_call_count").to_pylist() == [1] * 10
    assert table.column("success").to_pylist() == [None] * 10
    assert store.read_light(38, 10, list(LIGHT_COLUMNS)).num_rows == 2


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [pack_trace(build_trace(1))])
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()} == {0o600}
    store.remove()
    assert not store.folder.exists()


def test_a_failed_write_leaves_no_store(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    def come() -> Iterator[Packed]:
        yield pack_trace(build_trace(1))
        yield from put_by_another(tmp_path / "store", 1, [build_trace(2)])
        fail()

    with pytest.raises(OSError, match="No space left"):
        write_store(tmp_path / "store", come())
    assert list((tmp_path / "store").iterdir()) == []
    with pytest.raises(InputError, match="no trace store here"):
        TraceStore(tmp_path / "store")


def test_who_still_writes_to_a_store_that_was_given_up_leaves_no_file(tmp_path: Path) -> None:
    late: list[Shard] = []

    def come() -> Iterator[Packed]:
        create_shard(tmp_path / "store", 1)
        create_shard(tmp_path / "store", 2)
        late.append(Shard(tmp_path / "store", 1))
        yield pack_trace(build_trace(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "store", come())
    with late[0] as shard:
        shard.put(b"late")
    with pytest.raises(FileNotFoundError):
        Shard(tmp_path / "store", 2)
    assert list((tmp_path / "store").iterdir()) == []
