"""Rows of a Claude Code transcript → the rows that carry words, and what the others tell about the session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.injected import is_compaction_text
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text, read_tool_definitions
from tracemill.ingest.lines import Row
from tracemill.ingest.source import LossLog

#: Row types that keep the books of a session and hold nothing that was said.
_BOOKKEEPING_NAMES = """
    summary system file-history-snapshot file-history-delta attachment progress queue-operation last-prompt custom-title
    ai-title agent-name agent-color agent-setting mode permission-mode frame-link pr-link started result relocated
    worktree-state atis-latch bridge-session tag speculation-accept content-replacement task-summary
    attribution-snapshot marble-origami-commit marble-origami-snapshot
"""
_BOOKKEEPING = frozenset(_BOOKKEEPING_NAMES.split())
#: ``origin.kind`` of user rows that another program wrote.
_FOREIGN_ORIGINS = frozenset({"task-notification", "coordinator", "peer", "channel", "hook", "cron", "system"})
_FACTS = ("cwd", "gitBranch", "version")
_TITLE_KEYS = {"custom-title": "customTitle", "ai-title": "aiTitle", "summary": "summary"}


@dataclass(slots=True)
class ClaudeRow:
    """A row that carries words.

    ``kind``: ``user``, ``assistant``, or ``queued`` (a prompt typed while the model ran). ``session_id`` is empty until
    ``load_rows`` has filled it in where the row names none. ``lost``: the reason for which the row is left out.
    ``value`` is the row, as far as it is needed.
    """

    line: int
    kind: str
    session_id: str
    uuid: str | None
    parent: str | None
    agent_id: str | None
    is_sidechain: bool
    timestamp: str | None
    message: dict[str, Any]
    content: Any
    value: dict[str, Any]
    is_injected: bool = False
    is_compaction: bool = False
    lost: str | None = None

    def get_fact(self, name: str) -> str | None:
        found = self.value.get(name)
        return found if isinstance(found, str) and found else None

    @property
    def says_something(self) -> bool:
        """Whether the row alone makes a message: a result without its call does not, nor do withheld thoughts."""
        if isinstance(self.content, str):
            return bool(self.content.strip())
        return any(_is_telling(block) for block in as_list(self.content))

    def has_block(self, kind: str) -> bool:
        if not isinstance(self.content, str):
            for block in as_list(self.content):
                if block.get("type") == kind:
                    return True
        return False


@dataclass(slots=True)
class BookRow:
    """What is kept of a row that carries no words: enough to place it and to date its trace."""

    kind: str
    session_id: str
    parent: str | None
    agent_id: str | None
    is_sidechain: bool
    timestamp: str | None


@dataclass(slots=True)
class ClaudeFile:
    """All that one file holds, in the order of its rows."""

    stem: str
    rows: list[ClaudeRow] = field(default_factory=list[ClaudeRow])
    books: list[BookRow] = field(default_factory=list[BookRow])
    links: dict[str, str | None] = field(default_factory=dict[str, str | None])
    superseded: set[str] = field(default_factory=set[str])
    preserved: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    prompts: dict[tuple[str, str | None], str] = field(default_factory=dict[tuple[str, str | None], str])
    tools: dict[tuple[str, str | None], tuple[dict[str, Any], ...]] = field(
        default_factory=dict[tuple[str, str | None], tuple[dict[str, Any], ...]]
    )
    title: str | None = None
    any_session_id: str | None = None
    is_ours: bool = False


def load_rows(rows: Iterable[Row], log: LossLog, stem: str) -> ClaudeFile:
    """Sort the rows of a file; what is lost goes to the log."""
    file = ClaudeFile(stem)
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    session_id = ""
    for row in rows:
        value = row.value
        words = read_words(row)
        if file.any_session_id is None:
            file.any_session_id = get_text(value, "sessionId")
        if words is None:
            _sort_book(file, row, log)
            continue
        file.is_ours = True
        session_id = words.session_id = words.session_id or session_id
        if words.uuid is not None:
            earlier = seen.setdefault((session_id, words.uuid), words.message)
            if earlier is not words.message and earlier == words.message:
                log.drop("duplicate_row", row.line, f"uuid {words.uuid}"[:200], dump_json(words.message))
                session_id = file.rows[-1].session_id
                continue
            _link(file, value, words.uuid, words.parent)
        file.rows.append(words)
    first = next((words.session_id for words in file.rows if words.session_id), file.any_session_id or stem)
    for words in file.rows:
        words.session_id = words.session_id or first
    return file


def read_words(row: Row) -> ClaudeRow | None:
    """The row as one that carries words, or None where it carries none."""
    value = row.value
    kind = value.get("type")
    if kind != "user" and kind != "assistant":
        return _read_queued_prompt(row) if kind == "attachment" else None
    message = as_record(value.get("message"))
    content = message.get("content")
    if not isinstance(content, str) and not _is_list_of_blocks(content):
        return None
    words = _place_row(row, kind, message)
    if kind == "user":
        origin = as_record(value.get("origin"))
        words.is_injected = bool(value.get("isMeta")) or (
            bool(origin) and (get_text(origin, "kind") in _FOREIGN_ORIGINS or "from" in origin)
        )
        starts_as_summary = isinstance(content, str) and is_compaction_text(content)
        words.is_compaction = bool(value.get("isCompactSummary")) or starts_as_summary
    elif value.get("isApiErrorMessage") is True:
        words.lost = "api_error_message"
    elif message.get("model") == "<synthetic>":
        words.lost = "synthetic_message"
    return words


def _is_list_of_blocks(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(block, dict) for block in as_list(content))


def _read_queued_prompt(row: Row) -> ClaudeRow | None:
    """A prompt that was typed while the model ran stands in an attachment, and nowhere else."""
    attachment = as_record(row.value.get("attachment"))
    prompt = attachment.get("prompt")
    if attachment.get("type") != "queued_command" or not (isinstance(prompt, str) or _is_list_of_blocks(prompt)):
        return None
    words = _place_row(row, "queued", {"role": "user", "content": prompt})
    origin = as_record(attachment.get("origin")).get("kind") or "human"
    is_typed = attachment.get("commandMode") == "prompt" and origin == "human"
    words.is_injected = bool(attachment.get("isMeta")) or not is_typed
    return words


def _place_row(row: Row, kind: str, message: dict[str, Any]) -> ClaudeRow:
    value = row.value
    return ClaudeRow(
        row.line,
        kind,
        get_text(value, "sessionId", "session_id") or "",
        _get_id(value, "uuid"),
        _get_id(value, "parentUuid"),
        get_text(value, "agentId") if "agentId" in value else None,
        value.get("isSidechain") is True,
        get_text(value, "timestamp"),
        message,
        message.get("content"),
        {key: value[key] for key in _FACTS if key in value} if row.block is None else value,
    )


def _get_id(value: dict[str, Any], key: str) -> str | None:
    """The id of a row; what a redaction put in its place, the same in many rows, is none."""
    found = value.get(key)
    return found if isinstance(found, str) and found and " " not in found and not found.isspace() else None


def _link(file: ClaudeFile, value: dict[str, Any], uuid: str, parent: str | None) -> None:
    file.links.setdefault(uuid, parent or _get_id(value, "logicalParentUuid"))
    if "supersedesUuids" in value:
        for superseded in as_list(value["supersedesUuids"]):
            if isinstance(superseded, str) and superseded != uuid:
                file.superseded.add(superseded)
    if "compactMetadata" in value:
        segment = as_record(as_record(value["compactMetadata"]).get("preservedSegment"))
        head, tail = get_text(segment, "headUuid"), get_text(segment, "tailUuid")
        if head and tail:
            file.preserved[uuid] = (head, tail)


def _sort_book(file: ClaudeFile, row: Row, log: LossLog) -> None:
    """A row that carries no words: bookkeeping, or lost."""
    value = row.value
    kind = get_text(value, "type")
    file.is_ours = file.is_ours or kind in _BOOKKEEPING or file.any_session_id is not None
    uuid = _get_id(value, "uuid")
    if uuid is not None:
        _link(file, value, uuid, _get_id(value, "parentUuid"))
    if kind in ("user", "assistant"):
        log.drop("malformed_record", row.line, "the message has no readable content", _show(row.load()))
    elif kind in _BOOKKEEPING:
        _keep_books(file, value, kind)
    else:
        log.drop("unknown_record_type", row.line, f"type {value.get('type')!r}"[:200], _show(row.load()))


def _keep_books(file: ClaudeFile, value: dict[str, Any], kind: str) -> None:
    if kind in _TITLE_KEYS:
        file.title = get_text(value, _TITLE_KEYS[kind]) or file.title
    session_id = get_text(value, "sessionId")
    if session_id is None:
        return
    agent_id = get_text(value, "agentId")
    is_sidechain = value.get("isSidechain") is True
    parent = get_text(value, "parentUuid")
    file.books.append(BookRow(kind, session_id, parent, agent_id, is_sidechain, get_text(value, "timestamp")))
    if kind == "attachment":
        key = (session_id, agent_id if is_sidechain else None)
        attachment = as_record(value.get("attachment"))
        prompt = _join_prompt(attachment.get("systemPrompt"))
        if prompt:
            file.prompts.setdefault(key, prompt)
        if tools := read_tool_definitions(attachment.get("tools")):
            file.tools.setdefault(key, tools)


def _join_prompt(value: Any) -> str:
    if isinstance(value, str):
        return value
    texts = (item if isinstance(item, str) else get_text(as_record(item), "text") for item in as_list(value))
    return "\n\n".join(text for text in texts if text)


def _is_telling(block: dict[str, Any]) -> bool:
    kind = get_text(block, "type")
    if kind in ("text", "thinking"):
        return get_text(block, kind) is not None
    return kind in ("image", "document") or (kind is not None and kind.endswith("tool_use"))


def _show(value: dict[str, Any]) -> str:
    return dump_json(value)[:2000]
