"""Codex rollouts.

Files: ``~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl``; one file is one thread, a main session or a
sub-agent; ``….jsonl.zst`` once late versions have compressed it. Checked against rollouts of versions 0.9 to 0.146,
against legacy rollouts of 2025, whose rows have no payload, and against what is public of rows up to 0.160.

One row is one JSON object a line::

    {"timestamp": "2026-01-05T10:00:00.000Z", "type": "response_item", "payload": {"type": "message", "role": "user",
     "content": [{"type": "input_text", "text": "Fix the date parser"}]}}

Kept: the conversation's items. Items of one model response are one turn until an output comes. Events repeat most
items; their words are kept only where no item says the same, and exit codes and verdicts where an output tells none.
The first ``session_meta`` is the session's own, later ones are copied from a parent. What a sub-agent's file repeats of
its parent's history is context, not its own: named by position in ``source_meta["copied_context_messages"]``, the
person's words in it injected, where the rows tell it apart (``subagent_history_start_ordinal``,
``inherited_user_message``). A ``compacted`` row is a message of origin compaction with the context that it leaves.
Read as bookkeeping: world states, snapshots, progress and approval events. Lost, each under its reason: unknown types,
malformed rows, turns that were rolled back (``abandoned_branch``), outputs without a call.

Source: https://github.com/openai/codex, ``codex-rs/protocol`` (``RolloutItem``, ``ResponseItem``, ``EventMsg``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tracemill.ingest.codex.compressed import SUFFIX, name_plain, open_plain
from tracemill.ingest.codex.fields import CodexItem
from tracemill.ingest.codex.file import CodexFile, pick_text
from tracemill.ingest.codex.messages import CodexConversation
from tracemill.ingest.codex.meta import get_agent_id, get_base_instructions, identify, name_source, read_git, read_tools
from tracemill.ingest.codex.odd_rows import read_item
from tracemill.ingest.codex.rows import read_head_meta, read_items
from tracemill.ingest.json_fields import get_text
from tracemill.ingest.lines import read_head_rows
from tracemill.ingest.model_turn import is_interrupted
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.trace import Message, Trace

#: The head of a smaller file is not read before the rest of it.
_MAX_WHOLE_BYTES = 64 * 1024
_HEAD_OPTIONS = ReadOptions()
#: What is kept of a session's meta as it is.
_TOLD_FACTS = ("cli_version", "originator", "model_provider", "agent_nickname", "agent_role")


def is_session_file(path: Path) -> bool:
    """Whether the file is a rollout by its name."""
    name = path.name
    return name.startswith("rollout-") and name.endswith((".jsonl", f".jsonl{SUFFIX}"))


def read_head(path: Path) -> Head | None:
    """The session that the first ``session_meta`` names; rows beyond the head are read only where it has none."""
    if str(path).endswith(SUFFIX):
        return _read_compressed_head(path)
    head = _read_head(path, path)
    return None if head is None else head[0]


def _read_compressed_head(path: Path) -> Head | None:
    head = None
    for size_bytes in (_MAX_WHOLE_BYTES, None):
        with open_plain(path, size_bytes=size_bytes) as plain:
            head = _read_head(plain, name_plain(path))
        if head is not None and head[1]:
            break
    return None if head is None else head[0]


def _read_head(path: Path, named: Path) -> tuple[Head, bool] | None:
    """The head of a file of this name, and whether it is certain; None where no row is of this format."""
    if (meta := read_head_meta(path)) is not None:
        return _make_head(*meta, named), True
    head, is_foreign = None, False
    if path.stat().st_size > _MAX_WHOLE_BYTES:
        rows = list(read_head_rows(path))
        head = _find_head(map(read_item, rows), named)
        is_foreign = bool(rows) and head is None
    if not is_foreign and (head is None or not head[1]):
        head = _find_head(read_items(path, LossLog(path=""), _HEAD_OPTIONS), named) or head
    return head


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The trace of one rollout; none where nothing was said in it."""
    name = str(path)
    named = path
    if name.endswith(SUFFIX):
        named = name_plain(path)
        with open_plain(path, log) as plain:
            items = read_items(plain, log, options)
    else:
        items = read_items(path, log, options)
    file = CodexFile(items, [item.kind for item in items])
    meta = file.find_meta()
    conversation = CodexConversation(log, file, identify(meta, named))
    if meta is not None and (base := get_base_instructions(meta)) is not None:
        is_repeated = base == meta.get("instructions") and file.has_guide(base)
        conversation.add_system("" if is_repeated else base, get_text(meta, "timestamp"))
    conversation.add_items()
    messages = conversation.build()
    losses = log.count_losses()
    if not _has_words(messages):
        log.drop(_name_emptiness(file, log, losses))
        return
    yield _make_trace(meta or {}, conversation, messages, name, losses)


def _has_words(messages: Sequence[Message]) -> bool:
    return bool(messages) and (messages[-1].role != "system" or any(message.role != "system" for message in messages))


def _find_head(items: Iterable[CodexItem | None], path: Path) -> tuple[Head, bool] | None:
    """The head of a file, and whether it is certain; None where no row is of this format."""
    first: Head | None = None
    for item in items:
        if item is None:
            continue
        if item.kind == "session_meta":
            return _make_head(item.value, item.timestamp, path), True
        first = first or Head(identify(None, path).root_id, item.timestamp)
    return None if first is None else (first, False)


def _make_head(meta: dict[str, Any], timestamp: str | None, path: Path) -> Head:
    return Head(identify(meta, path).root_id, get_text(meta, "timestamp") or timestamp)


def _make_trace(
    meta: dict[str, Any],
    conversation: CodexConversation,
    messages: tuple[Message, ...],
    path: str,
    losses: dict[str, int],
) -> Trace:
    file, identity = conversation.file, conversation.identity
    branch, commit, repository = read_git(meta)
    cwd = get_text(meta, "cwd") or _find_cwd(file)
    totals, span = conversation.totals, file.measure_span()
    if totals is None or len(totals) < 2:
        totals = _sum_tokens(messages) | (totals or {})
    return Trace(
        trace_id=identity.session_id,
        source_kind=SOURCE.name,
        source_path=path,
        root_session_id=identity.root_id,
        messages=messages,
        agent_id=_name_agent(meta, identity.session_id) if identity.is_sub_agent else None,
        is_sidechain=identity.is_sub_agent,
        parent_trace_id=identity.parent_id,
        cwd=cwd,
        project_path=cwd,
        git_branch=branch,
        git_commit=commit,
        repository_url=repository,
        started_at=span.started_at,
        ended_at=span.ended_at,
        source_meta=_describe(conversation, meta, conversation.is_stopped or is_interrupted(messages)),
        model=conversation.model or _find_model(file, messages),
        tools=read_tools(meta),
        input_tokens=totals.get("input_tokens"),
        output_tokens=totals.get("output_tokens"),
        is_partial="cut_line" in losses,
        dropped=losses,
    )


def _describe(conversation: CodexConversation, meta: dict[str, Any], is_stopped: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "record_count": len(conversation.file.items),
        "record_types": conversation.file.count_kinds(),
    }
    for key in _TOLD_FACTS:
        if (value := meta.get(key)) is not None and (text := pick_text(value)) is not None:
            facts[key] = text
    if (source := name_source(meta)) is not None:
        facts["source"] = source
    if is_stopped:
        facts["is_interrupted"] = True
    if copied := conversation.list_copied():
        facts["copied_context_messages"] = copied
    return facts


def _name_agent(meta: dict[str, Any], session_id: str) -> str:
    return get_agent_id(meta) or session_id


def _sum_tokens(messages: Sequence[Message]) -> dict[str, int]:
    """The counts of all model turns, those of each name that any turn has."""
    sums: dict[str, int] = {}
    for message in messages:
        if message.usage is not None:
            for name, count in message.usage.items():
                sums[name] = sums.get(name, 0) + count
    return sums


def _find_cwd(file: CodexFile) -> str | None:
    for context in file.list_values("turn_context"):
        if (cwd := pick_text(context.cwd)) is not None:
            return cwd
    return None


def _find_model(file: CodexFile, messages: tuple[Message, ...]) -> str | None:
    """Legacy rows name the model beside the message, on the user's row too."""
    for message in reversed(messages):
        if message.model:
            return message.model
    for item in reversed(file.items):
        value = getattr(item.value, "model", None)
        if value is not None and (model := pick_text(value)) is not None:
            return model
    return None


def _name_emptiness(file: CodexFile, log: LossLog, losses: dict[str, int]) -> str:
    """Why a file gave no trace."""
    if log.lines_read == 0 and not losses:
        return "empty_file"
    return "no_messages" if file.items or set(losses) <= {"cut_line", "line_too_long"} else "foreign_file"


SOURCE = Source(
    name="codex",
    title="Codex",
    default_dir="~/.codex/sessions",
    file_pattern="*.jsonl*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
