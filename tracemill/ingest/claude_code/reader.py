"""Claude Code transcripts.

Files: ``~/.claude/projects/<project>/<session>.jsonl`` and, for sub-agents, ``agent-<id>.jsonl`` beside it or under
``<session>/subagents/``. Not read: ``sessions-index.json``, ``history.jsonl``, ``tool-results/``.
Checked against transcripts of versions 1.0.24 to 2.1.220, and against what is public of rows up to 2.1.289.

One row is one JSON object a line: a message of the user or the assistant, or bookkeeping::

    {"type": "user", "uuid": "u1", "parentUuid": null, "sessionId": "s1", "isSidechain": false, "cwd": "/repo",
     "timestamp": "2026-01-05T10:00:00.000Z", "message": {"role": "user", "content": "Fix the date parser"}}

Kept: every row that carries words. Rows of one ``message.id`` are one turn; a sidechain is a trace of its own; prompts
typed while the model ran (``queued_command`` attachments) are messages. Arguments of calls are what the model sent
(``wireToolInputs``), where a row has it beside what was run. The system prompt and tool definitions are
taken from an attachment where there is one; the title is what the person gave, else a program's, else a summary of this
session's own rows. Read as bookkeeping: summaries, snapshots, progress, hooks, titles.
Lost, each under its reason: rows of a branch that was rewound or replaced (``abandoned_branch``), rows that the harness
wrote as the model (``synthetic_message``, ``api_error_message``), repeated rows, unknown types, malformed rows.

``usage.input_tokens`` counts all that the model read, from the cache or not.

Source: transcripts written by Claude Code itself; https://docs.claude.com/en/docs/claude-code
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.claude_code.head import find_root, read_head, read_project
from tracemill.ingest.claude_code.lines import read_claude_rows
from tracemill.ingest.claude_code.messages import ClaudeConversation
from tracemill.ingest.claude_code.rows import ClaudeFile, ConversationKey, load_rows
from tracemill.ingest.claude_code.shape import ClaudeRow, show_content
from tracemill.ingest.claude_code.tree import Branch, build_tree, group_rows, list_branches, place_books
from tracemill.ingest.model_turn import is_interrupted
from tracemill.ingest.source import LossLog, ReadOptions, Source
from tracemill.ingest.time_span import TimeSpan
from tracemill.ingest.transcript import sum_tokens
from tracemill.trace import Message, Trace

_NO_SESSIONS = frozenset({"history.jsonl"})


def is_session_file(path: Path) -> bool:
    """Whether the file may be a transcript, by its name and folder alone."""
    return path.suffix == ".jsonl" and path.name not in _NO_SESSIONS and "tool-results" not in path.parts


class _Talk(msgspec.Struct, frozen=True, gc=False):
    """One conversation of a file, or an abandoned branch of one (named by the row at its tip)."""

    key: ConversationKey
    rows: list[ClaudeRow]
    messages: tuple[Message, ...]
    tip: str | None = None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The conversations of one file, in order of first appearance: main sessions and sidechains, then branches."""
    file = load_rows(read_claude_rows(path, log, options), log, path.stem)
    groups = group_rows(file)
    books = place_books(file, groups)
    talks: list[_Talk] = []
    for key, rows in groups.items():
        for talk in _read_talks(file, key, rows, log, options):
            if talk.messages and (talk.messages[-1].role != "system" or _has_words(talk.messages)):
                talks.append(talk)
    losses = log.count_losses()
    if not talks:
        log.drop(_name_emptiness(file, log, losses))
    is_partial = "cut_line" in losses
    for place, talk in enumerate(talks):
        trace = _make_trace(file, talk, books.get(talk.key, []), path, is_partial=is_partial)
        yield replace(trace, dropped=losses) if losses and place == 0 else trace


def _has_words(messages: tuple[Message, ...]) -> bool:
    return any(message.role != "system" for message in messages)


def _read_talks(
    file: ClaudeFile, key: ConversationKey, rows: list[ClaudeRow], log: LossLog, options: ReadOptions
) -> Iterator[_Talk]:
    tree = build_tree(rows, file)
    branches: list[Branch] = []
    live = rows
    if tree.dead:
        branches = list_branches(rows, tree) if options.branches else []
        told = {place for branch in branches for place in branch.own}
        for place in sorted(tree.dead - told):
            row = rows[place]
            content = "" if row.words is None else show_content(row.words.content)
            log.drop("abandoned_branch", row.line, f"uuid {row.uuid}"[:200], content)
        live = [row for place, row in enumerate(rows) if place not in tree.dead]
    yield _Talk(key, rows, _read_messages(file, key, live, log))
    for branch in branches:
        yield _read_branch(file, key, rows, branch, log)


def _read_branch(file: ClaudeFile, key: ConversationKey, rows: list[ClaudeRow], branch: Branch, log: LossLog) -> _Talk:
    """A branch with all that went before it; what was lost there has been counted with the live conversation."""
    own = LossLog(path=log.path)
    path = [rows[place] for place in branch.path]
    messages = _read_messages(file, key, path, own)
    lines = {rows[place].line for place in branch.own}
    log.losses.extend(loss for loss in own.losses if loss.line in lines)
    return _Talk(key, path, messages, path[-1].uuid or f"line-{path[-1].line}")


def _read_messages(file: ClaudeFile, key: ConversationKey, rows: list[ClaudeRow], log: LossLog) -> tuple[Message, ...]:
    conversation = ClaudeConversation(log, is_sidechain=key[1] is not None, preserved=file.preserved)
    if key in file.prompts:
        conversation.add_system(file.prompts[key])
    conversation.add_rows(rows)
    return conversation.build()


def _make_trace(file: ClaudeFile, talk: _Talk, books: list[ClaudeRow], path: Path, *, is_partial: bool) -> Trace:
    (session_id, agent_id), rows, messages = talk.key, talk.rows, talk.messages
    books = books if talk.tip is None else []
    trace_id = session_id if agent_id is None else f"{session_id}:{agent_id}"
    root = find_root(path, session_id)
    parent = root if agent_id is not None else None
    span = TimeSpan()
    told = [*rows, *books]
    span.add_all([row.timestamp for row in told if row.timestamp is not None])
    meta = _describe(file, rows, told, messages)
    if talk.tip is not None:
        trace_id, parent, meta["branch_of"] = f"{trace_id}~{talk.tip}", trace_id, trace_id
    cwd = rows[0].cwd or next((row.cwd for row in rows if row.cwd), None)
    project = read_project(path, session_id)
    return Trace(
        trace_id=trace_id,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=root,
        messages=messages,
        agent_id=agent_id,
        is_sidechain=agent_id is not None,
        parent_trace_id=parent,
        cwd=cwd,
        project_path=cwd if project is None else project,
        git_branch=rows[0].git_branch or next((row.git_branch for row in rows if row.git_branch), None),
        started_at=span.started_at,
        ended_at=span.ended_at,
        source_meta=meta,
        model=next((message.model for message in reversed(messages) if message.model), None),
        tools=file.tools.get(talk.key, ()),
        input_tokens=sum_tokens(messages, "input_tokens"),
        output_tokens=sum_tokens(messages, "output_tokens"),
        is_partial=is_partial,
    )


def _describe(
    file: ClaudeFile, rows: list[ClaudeRow], told: list[ClaudeRow], messages: tuple[Message, ...]
) -> dict[str, Any]:
    """What else is known of a conversation: ``rows`` carry its words, ``told`` are those and its bookkeeping."""
    kinds = [row.type for row in told if row.type is not None]
    version = rows[0].version
    versions = dict.fromkeys([version, *[row.version for row in rows if row.version != version]])
    meta: dict[str, Any] = {
        "record_count": len(told),
        "record_types": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "versions": [version for version in versions if version],
    }
    if (title := file.find_title()) is not None:
        meta["title"] = title
    if is_interrupted(messages):
        meta["is_interrupted"] = True
    return meta


def _name_emptiness(file: ClaudeFile, log: LossLog, losses: dict[str, int]) -> str:
    """Why a file gave no trace."""
    if log.lines_read == 0 and not losses:
        return "empty_file"
    return "no_messages" if file.is_ours or set(losses) <= {"cut_line", "line_too_long"} else "foreign_file"


SOURCE = Source(
    name="claude_code",
    title="Claude Code",
    default_dir="~/.claude/projects",
    file_pattern="*.jsonl",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
