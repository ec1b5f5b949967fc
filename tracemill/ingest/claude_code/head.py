"""What the head, the folder and the index beside a Claude Code transcript tell about it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from tracemill.ingest.claude_code.lines import read_first_rows
from tracemill.ingest.claude_code.rows import clean_session, finish_rows, says_something
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.source import Head, LossLog, ReadOptions

_INDEX_NAME = "sessions-index.json"
_SUBAGENT_FOLDER = "subagents"
_OPTIONS = ReadOptions()
#: A file that is not of this format is not read beyond these.
_MAX_FOREIGN_ROWS = 400


def read_head(path: Path) -> Head | None:
    """The session of the file's first message, read no further than it takes to find it."""
    head = _scan_head(path)
    if head is None or not _is_in_subagent_folder(path):
        return head
    return Head(find_root(path, head.root_session_id), head.started_at)


def find_root(path: Path, session_id: str) -> str:
    """The session that a transcript belongs to: under ``<session>/subagents/`` that of the file ``<session>.jsonl``.

    A sub-agent whose rows name itself as their session belongs to the session that its folder names.
    """
    if not _is_in_subagent_folder(path) or path.parent.parent.name == session_id:
        return session_id
    folder = path.parent.parent
    head = _read_head_of(folder.parent / f"{folder.name}.jsonl")
    if head is not None:
        return head.root_session_id
    return folder.name if session_id == path.stem else session_id


def read_project(path: Path, session_id: str) -> str | None:
    """The project folder of a session by the index beside its transcript; an index of another shape says nothing."""
    index = str(path)[: -len(path.name)] + _INDEX_NAME  # in a fifth of the time of ``path.with_name``
    if not os.access(index, os.F_OK):
        return None
    try:
        stat = os.stat(index)  # noqa: PTH116
        return _read_index(index, stat.st_mtime_ns, stat.st_size).get(session_id)
    except OSError:
        return None


def _is_in_subagent_folder(path: Path) -> bool:
    return path.parts[-2:-1] == (_SUBAGENT_FOLDER,)  # in a fifth of the time of ``path.parent.name``


def _read_head_of(path: Path) -> Head | None:
    """The head of a session, read once for all its sub-agents; None where there is no such file."""
    if not path.is_file():
        return None
    stat = path.stat()
    return _scan_known_head(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _scan_known_head(path: Path, _mtime_ns: int, _size: int) -> Head | None:
    return _scan_head(path)


def _scan_head(path: Path) -> Head | None:
    first: Head | None = None
    named, spoken, started_at = "", False, None
    for count, row in enumerate(read_first_rows(path, _OPTIONS), start=1):
        finish_rows((row,))
        clean_session(row)
        if row.words is not None:
            named = row.session_id or row.other_session_id or named
            if not spoken and row.lost is None and says_something(row):
                spoken, started_at = True, row.timestamp
            if spoken and named:
                return Head(named, started_at)
        is_ours = row.session_id is not None or row.words is not None or row.type == "summary"
        is_own = row.session_id == path.stem and first is not None and first.root_session_id != path.stem
        if is_ours and (first is None or is_own):
            first = Head(row.session_id or path.stem, row.timestamp)
        if first is None and count >= _MAX_FOREIGN_ROWS:
            return None
    return first


@lru_cache(maxsize=8)
def _read_index(path: str, _mtime_ns: int, _size: int) -> dict[str, str]:
    """Project folders by session id; read once for all transcripts of a folder."""
    index = as_record(read_document(Path(path), LossLog(path=path)))
    projects: dict[str, str] = {}
    for value in as_list(index.get("entries")):
        entry = as_record(value)
        session_id, project = get_text(entry, "sessionId"), get_text(entry, "projectPath")
        if session_id and project:
            projects[session_id] = project
    return projects
