"""Making the lines of a long trace fewer: runs of calls become one line that says how many they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tracemill.view.lines import Item, ItemKind, Segment, cut_text, is_too_small, solve_scale

_GROUP_LABEL_CHARS = 100
_LEAST_RUN = 3
_UNNUMBERED: frozenset[ItemKind] = frozenset(("model", "thought"))


def fit_items(items: Sequence[Item], room_chars: int) -> tuple[list[Item], float]:
    """The items, grouped no more than it takes, and the scale at which they fit into ``room_chars``.

    First runs of looks (reads, listings, searches) are grouped, then runs of all calls but edits, tests and errors,
    then everything but the end of the trace in equal portions. Calls, human turns and notes are all in the counts on a
    group's line; the model's words are left out where there is no room for them.
    """
    ladder = (
        lambda: list(items),
        lambda: list(_group_runs(items, frozenset(("look",)))),
        lambda: list(_group_runs(items, frozenset(("look", "call")))),
        lambda: list(_group_portions(items, room_chars, room_chars // 330)),
        lambda: list(_group_portions(items, room_chars, 0)),
    )
    for make in ladder:
        candidate = make()
        scale = _solve(candidate, room_chars)
        if scale is not None:
            # what would be too short to say anything leaves its room to the others
            kept = [item for item in candidate if not is_too_small(item, scale)]
            return kept, scale if len(kept) == len(candidate) else _solve(kept, room_chars) or 0.0
    return [], 0.0


def _solve(items: Sequence[Item], room_chars: int) -> float | None:
    labels = sum(len(item.label) + 1 for item in items if item.label)
    return solve_scale((segment for item in items for segment in item.segments), room_chars - labels)


def _group_runs(items: Sequence[Item], kinds: frozenset[ItemKind]) -> Iterator[Item]:
    run: list[Item] = []
    for item in items:
        if item.kind in kinds or (run and item.kind in _UNNUMBERED):
            run.append(item)
            continue
        yield from _close_run(run)
        run = []
        yield item
    yield from _close_run(run)


def _close_run(run: list[Item]) -> Iterator[Item]:
    if sum(1 for item in run if item.first) >= _LEAST_RUN:
        yield _make_group(run)
    else:
        yield from run


def _group_portions(items: Sequence[Item], room_chars: int, singles: int) -> Iterator[Item]:
    kept = [item for item in items if item.kind not in _UNNUMBERED]
    lines = room_chars // (_GROUP_LABEL_CHARS + 10)
    if lines < 1 or not kept:
        return
    head = kept[: len(kept) - singles] if singles else kept
    portion = max(1, -(-len(head) // max(1, lines - 2 * singles)))
    for start in range(0, len(head), portion):
        yield _make_group(head[start : start + portion])
    yield from kept[len(head) :]


def _make_group(run: Sequence[Item]) -> Item:
    """One line for a run, e.g. ``calls 120-180: 61 x Read, 3 x Bash (2 failed); 1 human turn``."""
    calls = [item for item in run if item.first]
    names = Counter(item.name for item in calls).most_common()
    parts = [f"{count} x {name}" for name, count in names[:4]]
    if len(names) > 4:
        parts.append(f"{sum(count for _, count in names[4:])} others")
    failed = sum(item.failed for item in calls)
    numbers = f"calls {calls[0].first}-{calls[-1].last}: " if calls else ""
    label = numbers + ", ".join(parts) + (f" ({failed} failed)" if failed else "")
    for kind, word in (("human", "human turns"), ("note", "notes")):
        if count := sum(1 for item in run if item.kind == kind):
            label += f"; {count} {word}"
    subjects = " ; ".join(item.segments[0].text[:60] for item in calls[:12] if item.segments)
    sample = Segment(subjects, len(subjects), 2, 0, "head", ": ")
    first, last = (calls[0].first, calls[-1].last) if calls else (0, 0)
    return Item("group", cut_text(label, _GROUP_LABEL_CHARS), (sample,), "", first, last, failed)
