"""Rollouts that late versions compress once they lie idle: ``rollout-….jsonl.zst``."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tracemill.ingest.source import LossLog

SUFFIX = ".zst"
_CHUNK_BYTES = 1024 * 1024


def name_plain(path: Path) -> Path:
    """The path that a rollout has where it is not compressed."""
    return path.with_suffix("") if path.suffix == SUFFIX else path


@contextmanager
def open_plain(path: Path, log: LossLog | None = None, size_bytes: int | None = None) -> Generator[Path]:
    """A file with the rollout's rows: its own, or for as long as it is needed a temporary one, of so many bytes.

    Where the compressed bytes are damaged, the rows before the damage are there, and the rest is logged as
    ``unreadable_file``.

    Raises:
        OSError: the file cannot be opened or read.
    """
    if path.suffix != SUFFIX:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tracemill-") as folder:
        plain = Path(folder) / "rollout.jsonl"
        _decompress(path, plain, log, size_bytes)
        yield plain


def _decompress(path: Path, plain: Path, log: LossLog | None, size_bytes: int | None) -> None:
    import pyarrow

    left = size_bytes
    with path.open("rb") as source, plain.open("wb") as out, pyarrow.CompressedInputStream(source, "zstd") as stream:
        try:
            while left != 0 and (chunk := stream.read(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left))):
                out.write(chunk)
                left = None if left is None else left - len(chunk)
        except OSError as error:
            if log is not None:
                log.drop("unreadable_file", detail=f"damaged compression: {error}"[:300])
