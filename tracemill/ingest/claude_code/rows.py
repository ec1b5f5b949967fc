"""Rows of a Claude Code transcript → the rows that carry words, and what the others tell about the session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec

from tracemill.ingest.claude_code.odd import convert_content
from tracemill.ingest.claude_code.shape import (
    BOOKKEEPING,
    Block,
    ClaudeRow,
    Lost,
    Preserved,
    ResultBlock,
    TextBlock,
    ThinkingBlock,
    Words,
    show_block,
    show_content,
)
from tracemill.ingest.injected import is_compaction_text
from tracemill.ingest.json_fields import as_list, as_record, get_text, read_tool_definitions
from tracemill.ingest.source import LossLog

#: A conversation: session id and agent id; None for the main conversation.
ConversationKey = tuple[str, str | None]

#: ``origin.kind`` of user rows that another program wrote.
_FOREIGN_ORIGINS = frozenset(
    {"task-notification", "coordinator", "peer", "channel", "hook", "cron", "system", "auto-continuation"}
)


class ClaudeFile(msgspec.Struct):
    """All that one file holds, in the order of its rows.

    ``rows`` carry words, ``books`` none. ``first_by_id``: the first of all rows with an id. ``preserved``: boundary
    row of a compaction → rows that stayed in the context. ``sessions``: those of ``rows``, filled in where a row names
    none. ``titles``: the last of each type of row. ``any_session_id`` is the first that one of ``books`` names.
    """

    stem: str
    rows: list[ClaudeRow] = []
    books: list[ClaudeRow] = []
    first_by_id: dict[str, ClaudeRow] = {}
    superseded: set[str] = set()
    preserved: dict[str, Preserved] = {}
    prompts: dict[ConversationKey, str] = {}
    tools: dict[ConversationKey, tuple[dict[str, Any], ...]] = {}
    sessions: set[str] = set()
    titles: dict[str, str] = {}
    summaries: list[ClaudeRow] = []
    any_session_id: str | None = None
    has_sidechains: bool = False
    is_ours: bool = False

    def find_title(self) -> str | None:
        """What the person called the session, or a program; a summary may be of another session than the file's."""
        named = self.titles.get("custom-title") or self.titles.get("ai-title")
        if named is None:
            for row in self.summaries:
                if row.leaf is None or row.leaf in self.first_by_id:
                    named = row.summary
        return named

    def find_parent(self, uuid: str) -> str | None:
        """The id of the row before a row, by the ids that both have in the file."""
        row = self.first_by_id.get(uuid)
        return None if row is None else row.parent or _as_id(row.logical_parent)


def load_rows(found: Iterable[Sequence[ClaudeRow]], log: LossLog, stem: str) -> ClaudeFile:
    """Sort the rows of a file; what is lost goes to the log."""
    file = ClaudeFile(stem)
    rows, first_by_id, seen = file.rows, file.first_by_id, _Seen(file.first_by_id)
    session_id, before = "", None
    for row in chain.from_iterable(map(finish_rows, found)):
        uuid, parent = row.uuid, row.parent
        if uuid is not None and (not uuid or " " in uuid or uuid.isspace()):
            row.uuid = uuid = None
        if parent is not None and parent != before and _as_id(parent) is None:
            row.parent = None
        before = uuid
        if row.words is None:
            _sort_book(file, row, log)
            continue
        if row.session_id != session_id or not session_id:
            session_id = _follow_session(file, row, session_id)
        if uuid is not None:
            if first_by_id.setdefault(uuid, row) is not row and seen.holds(row, uuid):
                log.drop("duplicate_row", row.line, f"uuid {uuid}"[:200], show_content(row.words.content))
                session_id = rows[-1].session_id or ""
                continue
            if row.supersedes or row.compaction:
                _note_replacements(file, row, uuid)
        if row.is_sidechain:
            file.has_sidechains = True
        rows.append(row)
    file.is_ours = file.is_ours or bool(rows)
    if rows and not rows[0].session_id:
        _name_session(file)
    return file


def finish_rows(rows: Sequence[ClaudeRow]) -> Sequence[ClaudeRow]:
    """Tell of each row whether it carries words, and whose; a time that is blank goes."""
    for row in rows:
        if (text := row.timestamp) is not None and (not text or text.isspace()):
            row.timestamp = None
        kind, words = row.type, row.words
        if kind == "assistant":
            if words is not None and (row.is_api_error or words.model == "<synthetic>"):
                row.lost = Lost("api_error_message" if row.is_api_error else "synthetic_message")
        elif kind != "user":
            row.words = _read_queued_prompt(row) if kind == "attachment" else None
        elif words is not None:
            if row.is_meta or ((origin := row.origin) and _is_foreign(origin)):
                row.is_injected = True
            if row.is_summary or (isinstance(words.content, str) and is_compaction_text(words.content)):
                row.is_compaction = True
    return rows


def _is_foreign(origin: dict[str, Any]) -> bool:
    return get_text(origin, "kind") in _FOREIGN_ORIGINS or "from" in origin


def clean_session(row: ClaudeRow) -> None:
    """Take a blank id of a session for none."""
    if row.session_id is not None and (not row.session_id or row.session_id.isspace()):
        row.session_id = None


def says_something(row: ClaudeRow) -> bool:
    """Whether the row alone makes a message: a result without its call does not, nor do withheld thoughts."""
    content = "" if row.words is None else row.words.content
    if isinstance(content, str):
        return bool(content.strip())
    return any(_is_telling(block) for block in content)


def has_result(row: ClaudeRow) -> bool:
    """Whether the row brings the result of a call."""
    if row.words is not None and type(row.words.content) is not str:
        for block in row.words.content:
            if type(block) is ResultBlock:
                return True
    return False


def _read_queued_prompt(row: ClaudeRow) -> Words | None:
    """A prompt that was typed while the model ran stands in an attachment, and nowhere else."""
    attachment = row.attachment
    if attachment is None or attachment.type != "queued_command":
        return None
    content = convert_content(attachment.prompt, is_model=False)
    if content is None:
        return None
    origin = as_record(attachment.origin).get("kind") or "human"
    is_typed = attachment.command_mode == "prompt" and origin == "human"
    row.is_injected = bool(attachment.is_meta) or not is_typed
    row.is_compaction = False
    return Words(content)


class _Seen:
    """Rows with words by id: the first of each session, where that is not the first of all."""

    def __init__(self, first_by_id: dict[str, ClaudeRow]) -> None:
        self._first = first_by_id
        self._others: dict[tuple[str | None, str], ClaudeRow] = {}

    def holds(self, row: ClaudeRow, uuid: str) -> bool:
        """Whether a row before this one, of the same session, has the same id and words."""
        first = self._first[uuid]
        if first.session_id != row.session_id or first.words is None:
            first = self._others.setdefault((row.session_id, uuid), row)
        return first is not row and first.words == row.words


def _follow_session(file: ClaudeFile, row: ClaudeRow, session_id: str) -> str:
    """The session that a row names, else that of the row before it; the row gets it, and the file if it is new."""
    clean_session(row)
    named = row.session_id or row.other_session_id
    if named is not None and named != session_id:
        session_id = named
        file.sessions.add(named)
    row.session_id = session_id
    return session_id


def _name_session(file: ClaudeFile) -> None:
    """Fill in the session of the rows before the first one that names it."""
    named = next((row.session_id for row in file.rows if row.session_id), file.any_session_id or file.stem)
    for row in file.rows:
        row.session_id = row.session_id or named
    file.sessions.add(named)


def _note_replacements(file: ClaudeFile, row: ClaudeRow, uuid: str) -> None:
    """What the row replaces, and what the compaction that it marks preserved."""
    if row.supersedes:
        file.superseded.update(item for item in row.supersedes if isinstance(item, str) and item != uuid)
    if row.compaction:
        segment = as_record(row.compaction.get("preservedSegment"))
        named = as_record(row.compaction.get("preservedMessages"))
        ends = (get_text(segment, "headUuid"), get_text(segment, "tailUuid"))
        uuids = as_list(named.get("uuids")) or as_list(named.get("allUuids"))
        file.preserved[uuid] = Preserved(
            ends=tuple(end for end in ends if end is not None),
            uuids=tuple(item for item in uuids if isinstance(item, str)),
        )


def _as_id(text: str | None) -> str | None:
    return text if text and " " not in text and not text.isspace() else None


def _sort_book(file: ClaudeFile, row: ClaudeRow, log: LossLog) -> None:
    """A row that carries no words: bookkeeping, or lost."""
    clean_session(row)
    if file.any_session_id is None:
        file.any_session_id = row.session_id
    file.is_ours = file.is_ours or row.type in BOOKKEEPING or file.any_session_id is not None
    if row.uuid is not None:
        file.first_by_id.setdefault(row.uuid, row)
        _note_replacements(file, row, row.uuid)
    if row.lost is not None:
        log.drop(row.lost.reason, row.line, row.lost.detail, row.lost.excerpt)
        return
    if row.type == "summary":
        if row.summary and not row.summary.isspace():
            file.summaries.append(row)
    elif row.type == "custom-title" or row.type == "ai-title":
        title = row.custom_title if row.type == "custom-title" else row.ai_title
        if title and not title.isspace():
            file.titles[row.type] = title
    if row.session_id is None:
        return
    file.books.append(row)
    attachment = row.attachment
    if row.type == "attachment" and attachment is not None:
        key = (row.session_id, _as_name(row.agent_id) if row.is_sidechain else None)
        if attachment.system_prompt and (prompt := _join_prompt(attachment.system_prompt)):
            file.prompts.setdefault(key, prompt)
        if attachment.tools and (tools := read_tool_definitions(attachment.tools)):
            file.tools.setdefault(key, tools)
    row.attachment = None


def _as_name(text: str | None) -> str | None:
    return None if text is None or text.isspace() else text or None


def _join_prompt(value: Any) -> str:
    if isinstance(value, str):
        return value
    texts = (item if isinstance(item, str) else get_text(as_record(item), "text") for item in as_list(value))
    return "\n\n".join(text for text in texts if text)


def _is_telling(block: Block) -> bool:
    if isinstance(block, TextBlock):
        text = block.text
    elif isinstance(block, ThinkingBlock):
        text = block.thinking
    else:
        kind = get_text(show_block(block), "type") or ""
        return kind in ("image", "document") or kind.endswith("tool_use")
    return bool(text) and not text.isspace()
