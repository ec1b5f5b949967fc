"""A trace as the store takes it: encoded once, wherever it was read, so that it can come from another process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from tracemill.trace import LIGHT_COLUMNS, Trace

_encode_json = msgspec.json.Encoder().encode
_encode_fast = msgspec.msgpack.Encoder().encode
_decode_json = msgspec.json.Decoder(Trace).decode
_decode_fast = msgspec.msgpack.Decoder(Trace).decode
_JSON = ord("{")
_SHARD_BUFFER_BYTES = 256 * 1024


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an encoded trace stands: the number of the shard, the offset there, and the length, in bytes."""

    shard: int
    offset: int
    size_bytes: int


class Packed(msgspec.Struct, frozen=True, gc=False):
    """One trace. ``light``: its light columns and ``goal``; ``digest``: see ``hash_content``.

    ``encoded``: what ``decode_trace`` takes; empty where the process that read the trace wrote it to a shard of the
    store: then ``place`` says where.
    """

    trace_id: str
    root_session_id: str
    digest: str
    light: dict[str, Any]
    redacted: dict[str, int]
    encoded: bytes
    place: Place | None = None


class Shard:
    """A file of encoded traces, end to end, that one process appends to.

    The file is there before, see ``create_shard``: a process that goes on after the store was given up makes none.

    Raises:
        OSError: the file is gone, or cannot be written.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._number = number
        self._file = name_shard(folder, number).open("r+b", buffering=_SHARD_BUFFER_BYTES)
        self._end = 0

    def put(self, encoded: bytes) -> Place:
        """Where a trace will stand, once ``flush`` was called."""
        place = Place(self._number, self._end, len(encoded))
        self._end += self._file.write(encoded)
        return place

    def flush(self) -> None:
        """Hand over what has been put to the file."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def create_shard(folder: Path, number: int) -> None:
    """Make an empty shard that only its owner can read."""
    os.close(os.open(name_shard(folder, number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def name_shard(folder: Path, number: int) -> Path:
    """The file of a shard; its number counts from 0."""
    return folder / f"traces-{number}.bin"


def pack_trace(trace: Trace) -> Packed:
    """The trace, encoded."""
    light = {name: getattr(trace, name) for name in LIGHT_COLUMNS}
    light["goal"] = trace.goal
    return Packed(trace.trace_id, trace.root_session_id, hash_content(trace), light, trace.redacted, _encode(trace))


def rename_packed(packed: Packed, trace_id: str) -> Packed:
    """The same trace under another id. What stands in a shard stays as it is: the id of the row in the store counts."""
    encoded = packed.encoded
    if packed.place is None:
        encoded = _encode(replace(decode_trace(encoded), trace_id=trace_id))
    return replace(packed, trace_id=trace_id, light={**packed.light, "trace_id": trace_id}, encoded=encoded)


def decode_trace(encoded: bytes | memoryview) -> Trace:
    """The trace in ``Packed.encoded``."""
    return _decode_json(encoded) if encoded[0] == _JSON else _decode_fast(encoded)


def _encode(trace: Trace) -> bytes:
    """MessagePack, where text stands as it is: two to three times as fast as JSON to write and to read.

    It has no integers beyond 64 bits; a trace that holds one is written as JSON.
    """
    try:
        return _encode_fast(trace)
    except OverflowError:
        return _encode_json(trace)


def list_labels(trace: Trace) -> tuple[bool | float | str | None, ...]:
    """What became of a run, as far as it is known: success, reward, task and attempt."""
    return trace.success, trace.reward, trace.task_id, trace.attempt


def hash_content(trace: Trace) -> str:
    """Tells conversations with one id apart, by length, first and last words, and by what became of them.

    No times: Hermes writes one session into a snapshot and into its database with different ones.
    """
    content: list[Any] = [len(trace.messages), trace.goal[:2000], trace.final_assistant_message[:2000]]
    labels = list_labels(trace)
    if any(label is not None for label in labels):
        content.append(labels)
    return hashlib.blake2b(_encode_json(content), digest_size=4).hexdigest()
