"""The gate's automaton, compiled once and then kept where Python keeps the package's byte code.

The engine takes 0.3 s of CPU to compile all expressions, as long as it takes to redact 60 MB of traces, and 1 ms to
load what it compiled before. As with byte code: what is kept is made anew where an expression or the engine changed,
``PYTHONPYCACHEPREFIX`` says where it lies, with ``PYTHONDONTWRITEBYTECODE`` or in a folder that cannot be written
nothing is kept, and whoever may write there may also change the program.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hyperscan

_MARK_BYTES = 32


def find_place() -> Path | None:
    """The file in which the automaton is kept; None where Python keeps no byte code."""
    try:
        return Path(importlib.util.cache_from_source(__file__)).with_suffix(".hsdb")
    except NotImplementedError:
        return None


def build_database(expressions: Sequence[str], flags: Sequence[int], place: Path | None) -> hyperscan.Database:
    """The automaton for the expressions, a match of which tells its number; from ``place`` if it is kept there.

    ``flags``: the engine's, one number for each expression.
    """
    import hyperscan

    version = getattr(hyperscan, "__version__", "")
    mark = _hash(repr((version, list(expressions), list(flags))).encode())
    if place is not None and (known := _load(place, mark)) is not None:
        return known
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    encoded = [expression.encode() for expression in expressions]
    database.compile(expressions=encoded, ids=list(range(len(encoded))), flags=list(flags))
    if place is not None and not sys.dont_write_bytecode:
        _keep(place, mark, hyperscan.dumpb(database))
    return database


def _load(place: Path, mark: bytes) -> hyperscan.Database | None:
    """What is kept; None where that is nothing, something else, damaged, or made for another machine."""
    import hyperscan

    try:
        kept = place.read_bytes()
    except OSError:
        return None
    body = memoryview(kept)[2 * _MARK_BYTES :]
    if kept[: 2 * _MARK_BYTES] != mark + _hash(body):
        return None
    try:
        return hyperscan.loadb(bytes(body), mode=hyperscan.HS_MODE_BLOCK)
    except hyperscan.error:  # of another version of the engine, or for a processor that can do more than this one
        return None


def _keep(place: Path, mark: bytes, body: bytes) -> None:
    """Write the file as a whole or not at all: others may read or write it at the same time."""
    draft = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(mark + _hash(body) + body)
        draft.replace(place)
    except OSError:
        with suppress(OSError):
            draft.unlink()


def _hash(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_MARK_BYTES).digest()
