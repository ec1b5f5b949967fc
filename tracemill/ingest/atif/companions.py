"""Files that a source reads beside its sessions, such as a verdict: what is wrong with one is counted once.

Many sessions may share such a file, and they are read apart, perhaps by several processes. So the first of those that
could use it, in path order, counts its fault, whichever of them are read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from tracemill.ingest.raw_files import check_regular
from tracemill.ingest.source import LossLog, Source

#: Takes a file and the log of what was lost in it.
Tell = Callable[[Path, LossLog], None]


def tell_nobody(_companion: Path, _read: LossLog) -> None:
    """For those who only look."""


def count_fault(session: Path, log: LossLog, companion: Path, read: LossLog) -> None:
    """Count in ``log``, a session's, the first of the losses of ``read``, the log of a file that belongs to it.

    ``detail`` says which file it is, as seen from the session, where in it, and how many lines more are lost.
    """
    if not read.losses:
        return
    first = read.losses[0]
    place = "" if first.line is None else f", line {first.line}"
    more = f", and {len(read.losses) - 1} more" if len(read.losses) > 1 else ""
    told = f": {first.detail}" if first.detail else ""
    name = Path(os.path.relpath(companion, session.parent)).as_posix()
    log.drop(first.reason, detail=f"{name}{place}{more}{told}"[:300], content=first.content)


def count_shared_fault(
    session: Path, log: LossLog, source: Source, companion: Path, read: LossLog, *, depth: int = 1
) -> None:
    """The same, if no session of the source comes before this one in path order, beside the companion or below it.

    ``depth``: how many folders below the companion's own its sessions lie at most.
    """
    if not read.losses:
        return
    top = companion.parent
    changed = (top.stat().st_mtime_ns, session.parent.stat().st_mtime_ns)
    first = _find_first(top, depth, changed, source.file_pattern, source.is_session_file, source.read_head)
    if first in (session, None):
        count_fault(session, log, companion, read)


def stamp_file(path: Path) -> tuple[Path, int, int] | None:
    """A file, its size and the time of its last change, by which what was read of it is remembered; None without it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def describe_failure(error: OSError) -> LossLog:
    """The log of a companion that could not be opened or read."""
    log = LossLog(path="")
    log.drop("unreadable_file", detail=error.strerror or str(error))
    return log


@lru_cache(maxsize=256)
def _find_first(
    top: Path,
    depth: int,
    _changed_ns: tuple[int, int],
    pattern: str,
    is_session_file: Callable[[Path], bool],
    read_head: Callable[[Path], object],
) -> Path | None:
    found: list[Path] = []
    for folder, folders, names in os.walk(top):
        found += [path for name in names if fnmatch(name, pattern) and is_session_file(path := Path(folder, name))]
        if len(Path(folder).parts) - len(top.parts) >= depth:
            folders.clear()
    for path in sorted(found, key=lambda path: path.parts):
        try:
            check_regular(path)
            if read_head(path) is not None:
                return path
        except OSError:
            continue
    return None
