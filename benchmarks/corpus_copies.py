"""Corpus sessions multiplied with fresh ids, and what other tools read of them, for the reading benchmark.

A copy of the corpus is the same files with other ids: every value under a key that ends in ``id`` (``sessionId``,
``uuid``, ``parentUuid``, ``message.id``, ``tool_use_id``, ``call_id``, …) that looks like an id is replaced wherever it
stands, in file names too, by one made from it and the copy's number; so references still hold within a copy, and
prefix copies, sub-agents and abandoned branches stay what they are. Nothing else changes. The same corpus and size
always give the same bytes.

A file with a line that ``json`` refuses is left out for all sides, because ``teich`` ends its run there.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Format → its folder in the corpus.
FOLDERS = {
    "claude_code": "claude_code",
    "codex": "codex",
    "atif": "atif",
    "hermes_agent": "hermes",
    "pi_coding_agent": "pi",
}
#: Starts a leg's clock, after its imports.
Start = Callable[[], None]
#: Traces, messages (None: not counted) and files lost, as paths.
Counts = tuple[int, int | None, list[str]]

TEICH_COMMAND = ("uv", "run", "--with", "teich==0.3.6", "--no-project")
_SESSION_KEYS = ("sessionId", "session_id", "trajectory_id")
_TOKEN = re.compile(rb"[0-9A-Za-z_-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A source file, cut at its ids: ``parts`` are text, id, text, id, …, text."""

    name: str
    parts: tuple[bytes, ...]
    ids: frozenset[bytes]
    name_ids: frozenset[bytes]

    def write(self, root: Path, copy: int) -> tuple[str, int]:
        """Write copy number ``copy`` below ``root``; its path there and its bytes."""
        name = _TOKEN.sub(lambda match: _renew_known(match[0], self.name_ids, copy), self.name.encode()).decode()
        relative = f"copy-{copy:05d}/{name}"
        fresh = {known: _renew(known, copy) for known in self.ids}
        body = b"".join(part if index % 2 == 0 else fresh[part] for index, part in enumerate(self.parts))
        path = root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return relative, len(body)


@dataclass(frozen=True, slots=True)
class Copies:
    """A folder of copies. ``sources``: path below ``root`` → the corpus file that it was made from."""

    root: Path
    sources: dict[str, str]
    size_bytes: int
    copies: int

    def warm(self) -> None:
        """Read every file once, so that the next reader finds it in memory."""
        for name in self.sources:
            with (self.root / name).open("rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def load_pieces(corpus: Path, format_name: str) -> tuple[list[Piece], list[str]]:
    """The JSON files of a format, cut at their ids, and the names of those left out."""
    root = corpus / FOLDERS[format_name]
    pieces: list[Piece] = []
    left_out: list[str] = []
    for path in sorted(root.rglob("*.json*")):
        name = path.relative_to(root).as_posix()
        body = path.read_bytes()
        try:
            rows = list(_decode(body))
        except ValueError:
            left_out.append(name)
            continue
        body = _mend_sessions(body, rows)
        rows = list(_decode(body))
        sessions = {value for row in rows for value in _list_sessions(row)}
        ids = {value.encode() for value in sessions.union(*(_list_ids(row) for row in rows))}
        named = set() if sessions else {path.stem.encode()}  # a session without an id goes by its file's name
        pieces.append(_cut(name, body, ids, named))
    return pieces, left_out


def write_copies(pieces: list[Piece], root: Path, size_bytes: int) -> Copies:
    """Write whole copies of the corpus to ``root`` until they hold ``size_bytes``."""
    sources: dict[str, str] = {}
    total = copy = 0
    while total < size_bytes:
        for piece in pieces:
            relative, size = piece.write(root, copy)
            sources[relative] = piece.name
            total += size
        copy += 1
    return Copies(root, sources, total, copy)


def keep_read(pieces: list[Piece], copies: Copies, lost: Iterable[str]) -> list[Piece]:
    """The pieces of which no copy is among ``lost``."""
    unread = {copies.sources[path] for path in lost}
    return [piece for piece in pieces if piece.name not in unread]


def parse_size(text: str) -> int:
    """``500MB`` or ``2GB`` in bytes."""
    number, unit = text[:-2], text[-2:].upper()
    if unit not in ("MB", "GB") or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text}: a size is a number with MB or GB, such as 500MB")
    return int(number) * (1_000_000 if unit == "MB" else 1_000_000_000)


def read_with_handler(format_name: str, root: Path, start: Start) -> Counts:
    """Data Designer's format handler, file by file as its seed reader calls it, without the row machinery."""
    import logging

    from data_designer.config.seed_source import AgentRolloutFormat
    from data_designer.engine.resources.agent_rollout.registry import get_format_handler

    logging.disable(logging.WARNING)
    handler = get_format_handler(AgentRolloutFormat(format_name))
    start()
    context = handler.build_parse_context(root_path=root, recursive=True)

    def read(name: str) -> list[int]:
        records = handler.parse_file(root_path=root, relative_path=name, parse_context=context)
        return [record.message_count for record in records]

    return _count_rows(root, handler.is_handled_file, read)


def read_with_teich(root: Path, start: Start) -> Counts:
    """teich's converter, one file a call: an error costs one file, and rows are let go as everywhere here."""
    from teich import convert_traces_to_training_data as convert  # pyright: ignore

    start()
    return _count_rows(root, lambda name: name.endswith(".jsonl"), lambda name: [
        len(row["messages"]) for row in convert(root / name)
    ])  # fmt: skip


def count_written(folder: Path, start: Start) -> Counts:
    """Rows, and different trace ids among them, that Data Designer wrote below ``folder``: rows can repeat."""
    import pyarrow.parquet as pq

    start()
    paths = list(folder.rglob("batch_*.parquet"))
    ids = [value for path in paths for value in pq.read_table(path, columns=["trace_id"]).column(0).to_pylist()]
    return len(ids), len(set(ids)), []


def read_report(output: str) -> dict[str, Any]:
    """What a leg printed when it ended."""
    return json.loads(output.rpartition("\nRESULT ")[2].splitlines()[0])


def find_teich(python: str | None) -> list[str] | None:
    """The command of a Python that has teich, or None; ``uv`` keeps its own cache although a leg gets another home."""
    if python is None and shutil.which("uv"):
        cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=False)
        os.environ.setdefault("UV_CACHE_DIR", cache.stdout.strip())
    command = [python] if python else [*TEICH_COMMAND, "--python", sys.executable, "python"]
    try:
        probe = subprocess.run([*command, "-c", "import teich"], capture_output=True, check=False)
    except OSError:
        return None
    return command if probe.returncode == 0 else None


def _count_rows(root: Path, is_handled: Callable[[str], bool], read: Callable[[str], list[int]]) -> Counts:
    traces = messages = 0
    lost: list[str] = []
    for name in sorted(path.relative_to(root).as_posix() for path in root.rglob("*.json*")):
        counts: list[int] = []
        if is_handled(name):
            with contextlib.suppress(Exception):  # whatever a peer raises, the file is lost to it
                counts = read(name)
        traces, messages = traces + len(counts), messages + sum(counts)
        if not counts:
            lost.append(name)
    return traces, messages, lost


def _decode(body: bytes) -> Iterator[Any]:
    """The document, or each line's. Raises: ValueError: a line is not JSON."""
    try:
        yield json.loads(body)
    except ValueError:
        yield from [json.loads(line) for line in body.splitlines() if line.strip()]


def _list_ids(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _list_ids(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _list_ids(item, key)
    elif isinstance(value, str) and _TOKEN.fullmatch(value.encode("utf-8", "replace")):
        has_id_key = key.lower().endswith("id") and not key.lower().startswith(("model", "provider", "limit"))
        looks_like_id = len(value) >= 6 and any(letter.isdigit() for letter in value)
        if has_id_key and looks_like_id and not value.startswith(("claude-", "gpt-")):
            yield value


def _list_sessions(row: Any) -> Iterator[str]:
    """The ids of sessions in a row, whatever they look like."""
    if not isinstance(row, dict):
        return
    payload = row.get("payload")
    if row.get("type") == "session_meta" and isinstance(payload, dict):
        yield from _list_sessions({"id": payload.get("id")})
    keys = (*_SESSION_KEYS, "id") if row.get("type") in (None, "session") and "role" not in row else _SESSION_KEYS
    for value in (row.get(key) for key in keys):
        if isinstance(value, str) and _TOKEN.fullmatch(value.encode("utf-8", "replace")):
            yield value


def _mend_sessions(body: bytes, rows: list[Any]) -> bytes:
    """Give a session whose id was blanked (``<redacted>``) one that can be renewed."""
    for row in rows:
        for key in _SESSION_KEYS:
            value = row.get(key) if isinstance(row, dict) else None
            if isinstance(value, str) and value and not _TOKEN.fullmatch(value.encode("utf-8", "replace")):
                pattern = rb'("' + key.encode() + rb'"\s*:\s*)' + re.escape(json.dumps(value).encode())
                body = re.sub(pattern, rb'\1"session-without-id"', body)
    return body


def _cut(name: str, body: bytes, ids: set[bytes], named: set[bytes]) -> Piece:
    parts: list[bytes] = []
    end = 0
    for match in _TOKEN.finditer(body):
        if match[0] in ids:
            parts += [body[end : match.start()], match[0]]
            end = match.end()
    return Piece(name, (*parts, body[end:]), frozenset(ids), frozenset(ids | named))


def _renew_known(token: bytes, ids: frozenset[bytes], copy: int) -> bytes:
    return _renew(token, copy) if token in ids else token


def _renew(known: bytes, copy: int) -> bytes:
    """The id of copy number ``copy``, of the same shape: a UUID stays one, a long id keeps its prefix."""
    text = known.decode()
    digest = hashlib.md5(f"{copy}:{text}".encode()).hexdigest()
    if _UUID.fullmatch(text):
        return f"{digest[:8]}-{digest[8:12]}-{text[14:18]}-{text[19:23]}-{digest[12:24]}".encode()
    if len(text) >= 20:
        return (text[:-8] + digest[:8]).encode()
    return f"{text}x{digest[:8]}".encode()
