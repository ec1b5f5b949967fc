"""The tree of a Claude Code session: which conversation a row belongs to, and which rows a rewind left behind.

``parentUuid`` makes a tree, but most of its forks are no rewinds: parallel tool calls hang their results beside the
next call, retries and hooks fork too. A rewind is one thing only: a prompt sent again from an earlier point, so that
two prompts have the same parent. The side that was written to last is live.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tracemill.ingest.claude_code.rows import ClaudeFile, ConversationKey, has_result, says_something
from tracemill.ingest.claude_code.shape import Block, ClaudeRow

_MIN_SHARED_PART = 0.6


def group_rows(file: ClaudeFile) -> dict[ConversationKey, list[ClaudeRow]]:
    """Rows by conversation, in order of the first row of each that says something."""
    if len(file.sessions) == 1 and not file.has_sidechains:
        return {(session_id, None): file.rows for session_id in file.sessions}
    if len(file.sessions) == 1 and (agent := _find_only_agent(file.rows)) is not None:
        return {(session_id, agent): file.rows for session_id in file.sessions}
    keys = _SidechainKeys(file)
    groups: dict[ConversationKey, list[ClaudeRow]] = {}
    starts: dict[ConversationKey, int] = {}
    latest: ConversationKey | None = None
    group: list[ClaudeRow] = []
    for place, row in enumerate(file.rows):
        key = keys.find(row)
        if key != latest:
            latest, group = key, groups.setdefault(key, [])
        group.append(row)
        if key not in starts and row.lost is None and says_something(row):
            starts[key] = place
    order = sorted(groups, key=lambda key: starts.get(key, len(file.rows)))
    return {key: groups[key] for key in order}


def place_books(file: ClaudeFile, groups: Iterable[ConversationKey]) -> dict[ConversationKey, list[ClaudeRow]]:
    """Bookkeeping rows by conversation; those of a sidechain that names no agent are dated by its words alone."""
    known = set(groups)
    if len(known) == 1 and not file.has_sidechains:
        key = next(iter(known))
        return {key: [book for book in file.books if book.session_id == key[0] and not book.is_sidechain]}
    placed: dict[ConversationKey, list[ClaudeRow]] = {}
    for book in file.books:
        key = (book.session_id or "", book.agent_id if book.is_sidechain else None)
        if key in known and (key[1] is not None or not book.is_sidechain):
            placed.setdefault(key, []).append(book)
    return placed


def _find_only_agent(rows: Sequence[ClaudeRow]) -> str | None:
    """The agent that all rows of a file belong to, as in the file of a sub-agent."""
    agent = rows[0].agent_id
    if not agent or agent.isspace():
        return None
    return agent if all(row.is_sidechain and row.agent_id == agent for row in rows) else None


class _SidechainKeys:
    """Finds the conversation of a row: a sidechain without an agent id is named by the row at its root."""

    def __init__(self, file: ClaudeFile) -> None:
        self._find_link = file.find_parent
        self._sidechain = {row.uuid: row for row in file.rows if row.is_sidechain and row.uuid is not None}
        self._keys: dict[str, ConversationKey] = {}
        self._latest: dict[str, ConversationKey] = {}

    def find(self, row: ClaudeRow) -> ConversationKey:
        session_id = row.session_id or ""
        if not row.is_sidechain:
            return (session_id, None)
        if row.agent_id is not None and row.agent_id and not row.agent_id.isspace():
            return (session_id, row.agent_id)
        parent = self._find_parent(row)
        if parent is not None and parent.uuid in self._keys:
            key = self._keys[parent.uuid]
        else:
            # A row that is no prompt cannot begin a task: its parent is missing, and it goes with what came before.
            is_task = row.type == "user" and not has_result(row)
            before = None if is_task else self._latest.get(session_id)
            key = before or (session_id, row.uuid or f"line-{row.line}")
        self._latest[session_id] = key
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
            parent = self._find_link(parent)
        return None


class ClaudeTree(msgspec.Struct):
    """What a rewind or a replaced answer left behind in a conversation; rows are named by their places in it.

    ``forks``: the prompts that were sent from one point, of which at least one is in ``cut``. ``dead``: those that are
    cut, all below them, and ``superseded``, the answers that were replaced.
    """

    parents: list[int | None] = []
    forks: list[list[int]] = []
    cut: list[int] = []
    superseded: set[int] = set()
    dead: set[int] = set()


def build_tree(rows: Sequence[ClaudeRow], file: ClaudeFile) -> ClaudeTree:
    """The tree of a conversation; an empty one where nothing can have been left behind."""
    if not _may_fork(rows, file):
        return ClaudeTree()
    places = {row.uuid: place for place, row in reversed(list(enumerate(rows))) if row.uuid is not None}
    tree = ClaudeTree(_resolve_parents(rows, places, file))
    children: dict[int, list[int]] = {}
    for place, parent in enumerate(tree.parents):
        if parent is not None:
            children.setdefault(parent, []).append(place)
    last, has_model = _measure_subtrees(rows, tree.parents)
    tree.superseded.update(place for uuid in file.superseded if (place := places.get(uuid)) is not None)
    forks = [kids for kids in children.values() if len(kids) > 1]
    forks.extend(_find_forked_openings(rows, tree.parents, file))
    forks.extend(_find_new_openings(rows, last, has_model))
    for kids in forks:
        prompts = [kid for kid in kids if rows[kid].type != "attachment" and not has_result(rows[kid])]
        if cut := _pick_dead(rows, prompts, last, has_model):
            tree.forks.append(prompts)
            tree.cut.extend(cut)
    tree.dead.update(tree.cut, tree.superseded)
    for place, parent in enumerate(tree.parents):
        if parent is not None and parent in tree.dead and parent not in tree.superseded:
            tree.dead.add(place)
    return tree


@dataclass(frozen=True, slots=True)
class Branch:
    """An abandoned branch: the places of its own rows, and of all rows on the path from the root to its tip."""

    own: list[int]
    path: list[int]


def list_branches(rows: Sequence[ClaudeRow], tree: ClaudeTree) -> list[Branch]:
    """The abandoned branches on which the model spoke, in the order of their prompts; replaced answers are none."""
    nearest: list[int | None] = []
    prompts = {kid for kids in tree.forks for kid in kids}
    for place, parent in enumerate(tree.parents):
        above = None if parent is None else nearest[parent]
        nearest.append(place if place in prompts else above)
    branches: list[Branch] = []
    for kid in sorted(tree.cut):
        own = [p for p in range(kid, len(rows)) if nearest[p] == kid and p not in tree.superseded]
        if not any(rows[p].type == "assistant" and rows[p].lost is None for p in own):
            continue
        passed: set[int | None] = {None}
        above: int | None = kid
        while above is not None:
            passed.add(above)
            parent = tree.parents[above]
            above = None if parent is None else nearest[parent]
        path = [p for p in range(kid) if nearest[p] in passed and p not in tree.superseded]
        branches.append(Branch(own, path + own))
    return branches


def _may_fork(rows: Sequence[ClaudeRow], file: ClaudeFile) -> bool:
    """Whether two prompts may have been sent from one point; most conversations have no such prompts."""
    if file.superseded:
        return True
    prompts = [row for row in rows if row.type == "user" and not has_result(row)]
    if len(prompts) < 2:
        return False
    known = {row.uuid for row in rows}
    points: set[str | None] = set()
    for row in prompts:
        point = row.parent
        passed: set[str] = set()
        while point is not None and point not in known and point not in passed:
            passed.add(point)
            point = file.find_parent(point)
        if point in points:
            return True
        points.add(point)
    return False


def _resolve_parents(rows: Sequence[ClaudeRow], places: dict[str, int], file: ClaudeFile) -> list[int | None]:
    """For each row the place of the nearest row above it that carries words; only rows earlier in the file count."""
    nearest: dict[str, int | None] = {}
    parents: list[int | None] = []
    for place, row in enumerate(rows):
        parent = row.parent
        passed: list[str] = []
        while parent is not None and parent not in places and parent not in nearest and parent not in passed:
            passed.append(parent)
            parent = file.find_parent(parent)
        found = None if parent is None else places.get(parent, nearest.get(parent))
        nearest.update(dict.fromkeys(passed, found))
        parents.append(found if found is not None and found < place else None)
    return parents


def _measure_subtrees(rows: Sequence[ClaudeRow], parents: Sequence[int | None]) -> tuple[list[int], list[bool]]:
    """For each row the last place below it, and whether the model spoke below it."""
    last = list(range(len(rows)))
    has_model = [row.type == "assistant" for row in rows]
    for place in range(len(rows) - 1, -1, -1):
        parent = parents[place]
        if parent is not None:
            last[parent] = max(last[parent], last[place])
            has_model[parent] = has_model[parent] or has_model[place]
    return last, has_model


def _pick_dead(rows: Sequence[ClaudeRow], kids: Sequence[int], last: list[int], has_model: list[bool]) -> list[int]:
    """Of rows with one parent, the prompts whose continuation was left behind; none where the fork is no rewind."""
    if len(kids) < 2 or any(rows[kid].type == "assistant" for kid in kids):
        return []
    live = max(kids, key=lambda kid: last[kid])
    if rows[live].is_compaction:
        return []
    return [kid for kid in kids if kid != live and (has_model[kid] or not rows[kid].is_injected)]


def _find_forked_openings(
    rows: Sequence[ClaudeRow], parents: Sequence[int | None], file: ClaudeFile
) -> list[list[int]]:
    """Rows before which nothing was said, where several hang on one row of bookkeeping, such as that of a hook."""
    openings: dict[str, list[int]] = {}
    for place, (row, parent) in enumerate(zip(rows, parents, strict=True)):
        if parent is None and row.parent is not None and row.parent in file.first_by_id:
            openings.setdefault(row.parent, []).append(place)
    return [kids for kids in openings.values() if len(kids) > 1]


def _find_new_openings(rows: Sequence[ClaudeRow], last: list[int], has_model: list[bool]) -> list[list[int]]:
    """The first prompt of the session and those that took its place.

    A prompt without a parent is a rewind to the start only where the first one has a linked continuation, and where it
    has one too or repeats the first one, the wording kept or mended: hand-made and converted sessions have rows
    without any parents.
    """
    openings = [
        (place, row.words.content)
        for place, row in enumerate(rows)
        if row.type == "user"
        and row.parent is None
        and not (row.is_injected or row.is_compaction or has_result(row))
        and row.words is not None
    ]
    if not openings or last[openings[0][0]] == openings[0][0]:
        return []
    opening, first = openings[0]
    return [[opening, *(place for place, text in openings[1:] if has_model[place] or _is_resent(first, text))]]


def _is_resent(before: str | Sequence[Block], after: str | Sequence[Block]) -> bool:
    if not isinstance(before, str) or not isinstance(after, str):
        return False
    shorter = min(len(before), len(after))
    pairs = enumerate(zip(before, after, strict=False))
    shared = next((place for place, (ours, theirs) in pairs if ours != theirs), shorter)
    return shorter > 0 and (before == after or (shared >= 12 and shared >= shorter * _MIN_SHARED_PART))
