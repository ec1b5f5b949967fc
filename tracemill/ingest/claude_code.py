"""Claude Code transcripts.

Files: ``~/.claude/projects/<project>/<session>.jsonl`` and, for sub-agents, ``agent-<id>.jsonl`` beside it or under
``<session>/subagents/``. Not read: ``sessions-index.json``, ``history.jsonl``, ``tool-results/``.
Checked against transcripts of versions 1.0.24 to 2.1.220.

One row is one JSON object a line: a message of the user or the assistant, or bookkeeping::

    {"type": "user", "uuid": "u1", "parentUuid": null, "sessionId": "s1", "isSidechain": false, "cwd": "/repo",
     "timestamp": "2026-01-05T10:00:00.000Z", "message": {"role": "user", "content": "Fix the date parser"}}

Kept: every row that carries words. Rows of one ``message.id`` are one turn; a sidechain is a trace of its own; prompts
typed while the model ran (``queued_command`` attachments) are messages. The system prompt and tool definitions are
taken from an attachment where there is one. Read as bookkeeping: summaries, snapshots, progress, hooks, titles.
Lost, each under its reason: rows of a branch that was rewound or replaced (``abandoned_branch``), rows that the harness
wrote as the model (``synthetic_message``, ``api_error_message``), repeated rows, unknown types, malformed rows.

``usage.input_tokens`` counts all that the model read, from the cache or not.

Source: transcripts written by Claude Code itself; https://docs.claude.com/en/docs/claude-code
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracemill.ingest.claude_code_fields import ROW_FIELDS
from tracemill.ingest.claude_code_messages import ClaudeConversation
from tracemill.ingest.claude_code_rows import BookRow, ClaudeFile, ClaudeRow, load_rows, read_words
from tracemill.ingest.claude_code_tree import ConversationKey, find_abandoned, group_rows, place_books
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.lines import Row, read_document, read_head_rows, read_rows
from tracemill.ingest.model_turn import is_interrupted
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.time_span import TimeSpan
from tracemill.ingest.transcript import sum_tokens
from tracemill.trace import Message, Trace

_NO_SESSIONS = frozenset({"history.jsonl"})
_INDEX_NAME = "sessions-index.json"


def is_session_file(path: Path) -> bool:
    """Whether the file may be a transcript, by its name and folder alone."""
    return path.suffix == ".jsonl" and path.name not in _NO_SESSIONS and "tool-results" not in path.parts


def read_head(path: Path) -> Head | None:
    """The session of the file's first message; rows beyond the head are read only where it holds no message."""
    rows = list(read_head_rows(path))
    head = _find_head(rows, path.stem)
    if not rows or (head is not None and not head[1]):
        head = _find_head(read_rows(path, LossLog(path=str(path)), ReadOptions(), ROW_FIELDS), path.stem) or head
    return None if head is None else head[0]


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The conversations of one file, in order of first appearance: main sessions and sidechains."""
    file = load_rows(read_rows(path, log, options, ROW_FIELDS), log, path.stem)
    groups = group_rows(file)
    books = place_books(file, groups)
    projects = _read_index(path.parent / _INDEX_NAME)
    spoken: list[tuple[ConversationKey, tuple[Message, ...]]] = []
    for key, rows in groups.items():
        messages = _read_messages(file, key, rows, log)
        if any(message.role != "system" for message in messages):
            spoken.append((key, messages))
    losses = log.count_losses()
    if not spoken:
        log.drop(_name_emptiness(file, log, losses))
    for place, (key, messages) in enumerate(spoken):
        trace_place = _Place(str(path), projects.get(key[0]), losses if place == 0 else {}, "cut_line" in losses)
        yield _make_trace(file, key, groups[key], books.get(key, []), messages, trace_place)


def _find_head(rows: Iterable[Row], stem: str) -> tuple[Head, bool] | None:
    """The head of a file, and whether it is certain; None where no row is of this format."""
    first: Head | None = None
    named = ""
    spoken: ClaudeRow | None = None
    for row in rows:
        words = read_words(row)
        if words is not None:
            named = words.session_id or named
            if spoken is None and words.says_something and words.lost is None:
                spoken = words
            if spoken is not None and named:
                return Head(named, spoken.timestamp), True
        session_id = get_text(row.value, "sessionId")
        is_ours = session_id is not None or words is not None or row.value.get("type") == "summary"
        if is_ours and (first is None or (session_id is not None and first.root_session_id == stem)):
            first = Head(session_id or stem, get_text(row.value, "timestamp"))
    return None if first is None else (first, False)


def _read_messages(file: ClaudeFile, key: ConversationKey, rows: list[ClaudeRow], log: LossLog) -> tuple[Message, ...]:
    conversation = ClaudeConversation(log, is_sidechain=key[1] is not None, preserved=file.preserved)
    if key in file.prompts:
        conversation.add_system(file.prompts[key])
    abandoned = find_abandoned(rows, file)
    for place, row in enumerate(rows):
        if place in abandoned:
            log.drop("abandoned_branch", row.line, f"uuid {row.uuid}"[:200], dump_json(row.content))
        else:
            conversation.add_row(row)
    return conversation.build()


@dataclass(frozen=True, slots=True)
class _Place:
    """What a trace's file says about it."""

    path: str
    project: str | None
    losses: dict[str, int]
    is_partial: bool


def _make_trace(
    file: ClaudeFile,
    key: ConversationKey,
    rows: list[ClaudeRow],
    books: list[BookRow],
    messages: tuple[Message, ...],
    place: _Place,
) -> Trace:
    session_id, agent_id = key
    span = TimeSpan()
    span.add_all([row.timestamp for row in (*rows, *books) if row.timestamp is not None])
    models = [message.model for message in messages if message.model]
    cwd = _find_fact(rows, "cwd")
    return Trace(
        trace_id=session_id if agent_id is None else f"{session_id}:{agent_id}",
        source_kind=SOURCE.name,
        source_path=place.path,
        root_session_id=session_id,
        messages=messages,
        agent_id=agent_id,
        is_sidechain=agent_id is not None,
        parent_trace_id=None if agent_id is None else session_id,
        cwd=cwd,
        project_path=cwd if place.project is None else place.project,
        git_branch=_find_fact(rows, "gitBranch"),
        started_at=span.started_at,
        ended_at=span.ended_at,
        source_meta=_describe(file, rows, books, messages),
        model=models[-1] if models else None,
        tools=file.tools.get(key, ()),
        input_tokens=sum_tokens(messages, "input_tokens"),
        output_tokens=sum_tokens(messages, "output_tokens"),
        is_partial=place.is_partial,
        dropped=place.losses,
    )


def _describe(
    file: ClaudeFile, rows: list[ClaudeRow], books: list[BookRow], messages: tuple[Message, ...]
) -> dict[str, Any]:
    versions = dict.fromkeys(version for row in rows if (version := row.get_fact("version")))
    kinds = Counter([*("attachment" if row.kind == "queued" else row.kind for row in rows), *(b.kind for b in books)])
    meta: dict[str, Any] = {
        "record_count": len(rows) + len(books),
        "record_types": dict(sorted(kinds.items())),
        "versions": list(versions),
    }
    if file.title is not None:
        meta["title"] = file.title
    if is_interrupted(messages):
        meta["is_interrupted"] = True
    return meta


def _find_fact(rows: list[ClaudeRow], name: str) -> str | None:
    return next((fact for row in rows if (fact := row.get_fact(name)) is not None), None)


def _name_emptiness(file: ClaudeFile, log: LossLog, losses: dict[str, int]) -> str:
    """Why a file gave no trace."""
    if log.lines_read == 0 and not losses:
        return "empty_file"
    return "no_messages" if file.is_ours or set(losses) <= {"cut_line", "line_too_long"} else "foreign_file"


def _read_index(path: Path) -> dict[str, str]:
    """Project folders by session id from the index beside the transcripts; an index of another shape says nothing."""
    try:
        if not path.is_file():
            return {}
        index = as_record(read_document(path, LossLog(path=str(path))))
    except OSError:
        return {}
    projects: dict[str, str] = {}
    for value in as_list(index.get("entries")):
        entry = as_record(value)
        session_id, project = get_text(entry, "sessionId"), get_text(entry, "projectPath")
        if session_id and project:
            projects[session_id] = project
    return projects


SOURCE = Source(
    name="claude_code",
    title="Claude Code",
    default_dir="~/.claude/projects",
    file_pattern="*.jsonl",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
