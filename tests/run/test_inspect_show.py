"""``inspect --show``: one trace, by its id or the beginning of it, and the ids that are near one that is not there."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.sessions import make_id, write_sessions
from tracemill.errors import InputError
from tracemill.run.inspect import run_inspect
from tracemill.run.nearest import choose_trace
from tracemill.run.terminal import Terminal
from tracemill.trace import Trace


def run(*arguments: object) -> tuple[str, str]:
    """What the command wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    assert run_inspect([str(argument) for argument in arguments], Terminal(out, err)) == 0
    return out.getvalue(), err.getvalue()


def test_one_trace_is_shown(tmp_path: Path) -> None:
    folder = write_sessions(tmp_path / "traces", 3)
    out, _ = run("--format", "codex", "--trace-dir", folder, "--show", make_id(1))
    assert out.startswith(make_id(1) + "\n")
    assert " human\n" in out
    out, _ = run("--format", "codex", "--trace-dir", folder, "--show", make_id(1), "--json")
    assert json.loads(out)["trace_id"] == make_id(1)


def make_traces(*ids: str) -> Iterator[Trace]:
    """Traces of these ids, of sessions ``ID`` or, where it is written ``SESSION/ID``, of that session."""
    for name in ids:
        session, _, own = name.rpartition("/")
        yield Trace(own, "codex", f"/traces/{own}.jsonl", session or own, ())


@pytest.mark.parametrize(
    ("ids", "wanted", "found"),
    [
        (("ab", "a", "abc"), "a", "a"),
        (("xa", "abc", "b"), "ab", "abc"),
        (("S/one", "T/two"), "S", "one"),
        (("one",), "", "one"),
    ],
    ids=["exact", "prefix", "session", "empty"],
)
def test_an_id_may_be_begun(ids: tuple[str, ...], wanted: str, found: str) -> None:
    assert choose_trace(make_traces(*ids), wanted).trace_id == found


@pytest.mark.parametrize(
    ("ids", "wanted", "said"),
    [
        (("ab", "xa", "ac", "S/d"), "a", "no trace a; 2 ids begin so or are of that session: ab, ac"),
        (("S/one", "S/two"), "S", "2 ids begin so or are of that session: one, two"),
        ([f"a{number:02}" for number in range(13)], "a", "13 ids .*: a00, .*, a09 and 3 more$"),
        (("run-7", "run-8"), "7", "no trace 7; 1 ids hold it: run-7"),
        (("a", "b"), "nowhere", "no id holds it; --html FILE --limit all writes a page that lists them all"),
        ((), "nowhere", "no trace nowhere"),
    ],
    ids=["several", "session", "many", "within", "none", "empty"],
)
def test_ids_near_one_that_is_not_there_are_listed(ids: tuple[str, ...], wanted: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        choose_trace(make_traces(*ids), wanted)


def test_no_trace_is_read_beyond_the_one_that_is_shown() -> None:
    traces = make_traces("a", "b", "c")
    assert choose_trace(traces, "b").trace_id == "b"
    assert [trace.trace_id for trace in traces] == ["c"]


def test_a_trace_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    folder = write_sessions(tmp_path / "traces", 2)
    arguments = ("--format", "codex", "--trace-dir", folder, "--show")
    with pytest.raises(InputError, match=f"^{folder}: no trace nowhere"):
        run(*arguments, "nowhere")
    begun = make_id(1)[:-1]
    with pytest.raises(InputError, match=f"2 ids begin so .*: {make_id(0)}, {make_id(1)}"):
        run(*arguments, begun)
    out, err = run(*arguments, begun, "--select", make_id(1))
    assert out.startswith(make_id(1) + "\n")
    assert err == f"no trace {begun}: the only one near is {make_id(1)}\n"
