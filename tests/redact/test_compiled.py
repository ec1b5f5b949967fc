"""What the engine compiled is kept like byte code: used where it fits, made anew where it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import hyperscan
import pytest

from tracemill.redact import compiled
from tracemill.redact.compiled import build_database, find_place
from tracemill.redact.finding import list_needs
from tracemill.redact.gate import Gate, Need

NEEDS = [Need("x", r"x{3,5}y"), Need("z", "ZZ", is_caseless=True)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "__pycache__" / "gate.hsdb"


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoDatabase:
        def __init__(self, mode: int) -> None:
            raise AssertionError("compiled")

    monkeypatch.setattr(hyperscan, "Database", NoDatabase)


def check(gate: Gate) -> None:
    assert gate.list_open("..xxxy..") == {"x"}
    assert gate.list_open("zz xxxxy") == {"x", "z"}
    assert gate.list_open("xxy z") == frozenset()


def test_second_gate_is_loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(Gate(NEEDS, place))
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    forbid_compiling(monkeypatch)
    check(Gate(NEEDS, place))


def test_without_a_place_nothing_is_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(Gate(NEEDS))
    forbid_compiling(monkeypatch)
    with pytest.raises(AssertionError, match="compiled"):
        Gate(NEEDS)
    assert not place.parent.exists()


@pytest.mark.parametrize(
    "other",
    [
        [Need("x", r"x{4,5}y"), NEEDS[1]],
        [NEEDS[0], Need("z", "ZZ")],
        [NEEDS[0]],
        [NEEDS[1], NEEDS[0]],
    ],
    ids=["expression", "flag", "fewer", "order"],
)
def test_other_expressions_are_compiled(place: Path, other: list[Need]) -> None:
    Gate(other, place)
    before = place.read_bytes()
    check(Gate(NEEDS, place))
    assert place.read_bytes() != before


def test_another_engine_compiles(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Gate(NEEDS, place)
    before = place.read_bytes()
    monkeypatch.setattr(hyperscan, "__version__", "0.0.1")
    check(Gate(NEEDS, place))
    assert place.read_bytes() != before


@pytest.mark.parametrize("damage", ["cut", "grown", "byte", "mark", "empty", "engine"])
def test_what_is_damaged_is_compiled_anew(place: Path, damage: str) -> None:
    Gate(NEEDS, place)
    good = place.read_bytes()
    mark, body = good[:32], good[64:]
    foreign = body[:4] + bytes(255 - byte for byte in body[4:8]) + body[8:]  # a version that the engine refuses
    bad = {
        "cut": good[:-9],
        "grown": good + b"x",
        "byte": good[:-30] + bytes([good[-30] ^ 1]) + good[-29:],
        "mark": bytes([good[0] ^ 1]) + good[1:],
        "empty": b"",
        "engine": mark + compiled._hash(foreign) + foreign,  # pyright: ignore[reportPrivateUsage]
    }
    place.write_bytes(bad[damage])
    check(Gate(NEEDS, place))
    assert place.read_bytes() == good


def test_python_that_writes_no_byte_code_keeps_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    check(Gate(NEEDS, place))
    assert not place.parent.exists()


def test_a_folder_that_cannot_be_made_keeps_nothing(place: Path) -> None:
    place.parent.write_text("a file")
    check(Gate(NEEDS, place))
    assert place.parent.read_text() == "a file"


def test_place_that_is_taken_leaves_no_draft(place: Path) -> None:
    place.mkdir(parents=True)
    check(Gate(NEEDS, place))
    assert list(place.parent.iterdir()) == [place]


def test_place_lies_beside_the_byte_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_place() is not None
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    moved = find_place()
    assert moved is not None
    assert moved.is_relative_to(tmp_path)
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    assert find_place() is None


def test_the_whole_gate_is_the_same_when_loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs = list(list_needs())
    first = Gate(needs, place)
    forbid_compiling(monkeypatch)
    second = Gate(needs, place)
    for text in ("password = hunter2hunter2", "/home/annlee/x bob@corp.io", "nothing here", "sk-" + "aB3" * 20):
        assert first.list_open(text) == second.list_open(text)


def test_database_tells_numbers() -> None:
    found: list[int] = []

    def note(number: int, *_: object) -> None:
        found.append(number)

    database = build_database(["aa", "bb"], [0, 0], None)
    database.scan(b"xbb", note, 0, None, hyperscan.Scratch(database))
    assert found == [1]
