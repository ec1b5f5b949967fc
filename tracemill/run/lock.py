"""One run a folder: a lock that the operating system releases however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from tracemill.errors import RunStateError


@contextlib.contextmanager
def hold_lock(folder: Path) -> Generator[None]:
    """Hold the lock of a dataset folder while the block runs.

    Raises:
        RunStateError: another process holds it.
    """
    path = folder / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunStateError(
                f"{folder}: another run is writing here; wait for it, or use another --dataset-name"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
