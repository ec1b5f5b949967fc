"""The journal: every finished model cell, kept the moment it is finished.

One JSON object a line: ``{"key": hash, "trace_id": id, "column": name, "value": …}``; the key hashes trace id, column,
prompts, model and inference parameters. A cut last line (a killed run) is passed over. In memory are only the places of
the lines, not their values.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class _Entry(msgspec.Struct):
    key: str
    trace_id: str
    column: str
    value: msgspec.Raw


_decode = msgspec.json.Decoder(_Entry).decode


class Journal:
    """Append-only; one writer.

    Raises:
        OSError: the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._places: dict[str, int] = {}
        self._file = path.open("a+b")
        path.chmod(0o600)
        self._load()

    def __len__(self) -> int:
        return len(self._places)

    def find(self, key: str) -> Any | None:
        """The value kept under a key, or None."""
        place = self._places.get(key)
        if place is None:
            return None
        self._file.seek(place)
        return msgspec.json.decode(_decode(self._file.readline()).value)

    def append(self, key: str, trace_id: str, column: str, value: Any) -> None:
        """Keep a value; handed to the operating system when this returns, so that a killed process loses nothing."""
        line = _encode({"key": key, "trace_id": trace_id, "column": column, "value": value}) + b"\n"
        self._file.write(line)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _load(self) -> None:
        self._file.seek(0)
        place = 0
        for line in self._file:
            if line.endswith(b"\n"):
                with contextlib.suppress(msgspec.MsgspecError):
                    self._places[_decode(line).key] = place
            else:  # a killed run cut its last line; the next entry must not be glued to it
                self._file.write(b"\n")
                self._file.flush()
            place += len(line)
