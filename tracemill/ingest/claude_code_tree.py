"""The tree of a Claude Code session: which conversation a row belongs to, and which rows a rewind left behind.

``parentUuid`` makes a tree, but most of its forks are no rewinds: parallel tool calls hang their results beside the
next call, retries and hooks fork too. A rewind is one thing only: a prompt sent again from an earlier point, so that
two prompts have the same parent. The side that was written to last is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracemill.ingest.claude_code_rows import BookRow, ClaudeFile, ClaudeRow

#: A conversation: session id and agent id; None for the main conversation.
ConversationKey = tuple[str, str | None]

_MIN_SHARED_PART = 0.6


def group_rows(file: ClaudeFile) -> dict[ConversationKey, list[ClaudeRow]]:
    """Rows by conversation, in order of the first row of each that says something."""
    keys = _SidechainKeys(file)
    groups: dict[ConversationKey, list[ClaudeRow]] = {}
    starts: dict[ConversationKey, int] = {}
    for place, row in enumerate(file.rows):
        key = keys.find(row)
        groups.setdefault(key, []).append(row)
        if key not in starts and row.says_something and row.lost is None:
            starts[key] = place
    order = sorted(groups, key=lambda key: starts.get(key, len(file.rows)))
    return {key: groups[key] for key in order}


def place_books(file: ClaudeFile, groups: Iterable[ConversationKey]) -> dict[ConversationKey, list[BookRow]]:
    """Bookkeeping rows by conversation; those of a sidechain that names no agent are dated by its words alone."""
    known = set(groups)
    placed: dict[ConversationKey, list[BookRow]] = {}
    for book in file.books:
        key = (book.session_id, book.agent_id if book.is_sidechain else None)
        if key in known and (key[1] is not None or not book.is_sidechain):
            placed.setdefault(key, []).append(book)
    return placed


class _SidechainKeys:
    """Finds the conversation of a row: a sidechain without an agent id is named by the row at its root."""

    def __init__(self, file: ClaudeFile) -> None:
        self._links = file.links
        self._sidechain = {row.uuid: row for row in file.rows if row.is_sidechain and row.uuid is not None}
        self._keys: dict[str, ConversationKey] = {}
        self._latest: dict[str, ConversationKey] = {}

    def find(self, row: ClaudeRow) -> ConversationKey:
        if not row.is_sidechain:
            return (row.session_id, None)
        if row.agent_id is not None:
            return (row.session_id, row.agent_id)
        parent = self._find_parent(row)
        if parent is not None and parent.uuid in self._keys:
            key = self._keys[parent.uuid]
        else:
            # A row that is no prompt cannot begin a task: its parent is missing, and it goes with what came before.
            is_task = row.kind == "user" and not row.has_block("tool_result")
            before = None if is_task else self._latest.get(row.session_id)
            key = before or (row.session_id, row.uuid or f"line-{row.line}")
        self._latest[row.session_id] = key
        if row.uuid is not None:
            self._keys[row.uuid] = key
        return key

    def _find_parent(self, row: ClaudeRow) -> ClaudeRow | None:
        parent = row.parent
        visited: set[str] = set()
        while parent is not None and parent not in visited:
            if (found := self._sidechain.get(parent)) is not None:
                return found
            visited.add(parent)
            parent = self._links.get(parent)
        return None


def find_abandoned(rows: Sequence[ClaudeRow], file: ClaudeFile) -> set[int]:
    """Places in ``rows`` of what a rewind or a replaced answer left behind."""
    places = {row.uuid: place for place, row in reversed(list(enumerate(rows))) if row.uuid is not None}
    parents = _resolve_parents(rows, places, file)
    children: dict[int, list[int]] = {}
    for place, parent in enumerate(parents):
        if parent is not None:
            children.setdefault(parent, []).append(place)
    last, has_model = _measure_subtrees(rows, parents)
    dead: set[int] = {place for uuid in file.superseded if (place := places.get(uuid)) is not None}
    superseded = set(dead)
    forks = [kids for kids in children.values() if len(kids) > 1]
    forks.extend(_find_resent_openings(rows, last))
    for kids in forks:
        dead.update(_pick_dead(rows, kids, last, has_model))
    for place, parent in enumerate(parents):
        if parent is not None and parent in dead and parent not in superseded:
            dead.add(place)
    return dead


def _resolve_parents(rows: Sequence[ClaudeRow], places: dict[str, int], file: ClaudeFile) -> list[int | None]:
    """For each row the place of the nearest row above it that carries words; only rows earlier in the file count."""
    nearest: dict[str, int | None] = {}
    parents: list[int | None] = []
    for place, row in enumerate(rows):
        parent = row.parent
        passed: list[str] = []
        while parent is not None and parent not in places and parent not in nearest and parent not in passed:
            passed.append(parent)
            parent = file.links.get(parent)
        found = None if parent is None else places.get(parent, nearest.get(parent))
        nearest.update(dict.fromkeys(passed, found))
        parents.append(found if found is not None and found < place else None)
    return parents


def _measure_subtrees(rows: Sequence[ClaudeRow], parents: Sequence[int | None]) -> tuple[list[int], list[bool]]:
    """For each row the last place below it, and whether the model spoke below it."""
    last = list(range(len(rows)))
    has_model = [row.kind == "assistant" for row in rows]
    for place in range(len(rows) - 1, -1, -1):
        parent = parents[place]
        if parent is not None:
            last[parent] = max(last[parent], last[place])
            has_model[parent] = has_model[parent] or has_model[place]
    return last, has_model


def _pick_dead(rows: Sequence[ClaudeRow], kids: Sequence[int], last: list[int], has_model: list[bool]) -> list[int]:
    """Of rows with one parent, the prompts whose continuation was left behind; none where the fork is no rewind."""
    kids = [kid for kid in kids if not rows[kid].has_block("tool_result") and rows[kid].kind != "queued"]
    if len(kids) < 2 or any(rows[kid].kind == "assistant" for kid in kids):
        return []
    live = max(kids, key=lambda kid: last[kid])
    if rows[live].is_compaction:
        return []
    return [kid for kid in kids if kid != live and (has_model[kid] or not rows[kid].is_injected)]


def _find_resent_openings(rows: Sequence[ClaudeRow], last: list[int]) -> list[list[int]]:
    """The first prompt of the session and those that sent it again, the wording kept or mended.

    A prompt without a parent is a rewind to the start only where it repeats the first one and that one has a linked
    continuation: hand-made and converted sessions have rows without any parents.
    """
    openings = [
        place
        for place, row in enumerate(rows)
        if row.kind == "user" and row.parent is None and isinstance(row.content, str) and not row.is_injected
    ]
    if not openings or last[openings[0]] == openings[0]:
        return []
    first = rows[openings[0]].content
    return [[openings[0], *(place for place in openings[1:] if _is_resent(first, rows[place].content))]]


def _is_resent(before: str, after: str) -> bool:
    shorter = min(len(before), len(after))
    pairs = enumerate(zip(before, after, strict=False))
    shared = next((place for place, (ours, theirs) in pairs if ours != theirs), shorter)
    return shorter > 0 and (before == after or (shared >= 12 and shared >= shorter * _MIN_SHARED_PART))
