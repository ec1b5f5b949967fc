"""Outcomes that a file of the user's gives to traces: whether a run succeeded, its reward, its task.

JSON lines or CSV with a header; ``trace_id`` (or ``session_id``) or ``path`` names the trace, the rest is known of it::

    {"trace_id": "0197f1a0-0000-7000-8000-000000000001", "success": true, "reward": 1.0, "task_id": "fix-parser"}

    path,success,task_id
    runs/a.jsonl,false,fix-parser

A path names a file, whole or by its last parts; all main sessions of the file get the outcome. A row with both means
the trace that has the id and lies in the file, and no other. What the file says takes the place of what the trace says;
what it leaves empty stays. A row whose fields are all empty, as in a spreadsheet that is filled in by half, is passed
over and counted. Names of columns may be in any case; CSV may have ``;`` or tabs between its cells. The text is UTF-8,
or any UTF with a byte order mark.
"""

from __future__ import annotations

import math
import os.path
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from pathlib import Path, PurePath
from typing import Any

from msgspec.structs import replace

from tracemill.errors import ConfigError
from tracemill.ingest.outcome_rows import EXPECTED, ID_COLUMNS, OUTCOME_COLUMNS, PATH_COLUMNS, read_rows
from tracemill.trace import Trace

VERDICT_SOURCE = "outcomes file"
_WORDS = {
    **dict.fromkeys(("true", "yes", "1", "1.0", "pass", "passed", "success"), True),
    **dict.fromkeys(("false", "no", "0", "0.0", "fail", "failed", "failure"), False),
}

_Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a trace; None where nothing is said. ``number`` counts the rows of the file from 1.

    ``key`` says how its row names the trace, for messages: ``trace_id t-1``.
    """

    number: int
    success: bool | None = None
    reward: float | None = None
    task_id: str | None = None
    key: str = ""

    @property
    def said(self) -> tuple[bool | None, float | None, str | None]:
        return self.success, self.reward, self.task_id


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes by trace id, and by the last parts of a path.

    Under an id stand the last parts of the paths that its rows name, ``()`` for a row that names none.
    ``blank_rows``: rows that name a trace and leave everything else empty. ``name``: the file, for messages.
    """

    by_id: Mapping[str, Mapping[_Parts, Outcome]]
    by_path: Mapping[_Parts, Outcome]
    blank_rows: int = 0
    name: str = ""

    def __len__(self) -> int:
        return sum(map(len, self.by_id.values())) + len(self.by_path)

    def find(self, trace: Trace) -> Outcome | None:
        """The outcome of a trace: by its id or that of its session, and by its file; each fills what the other leaves.

        Raises:
            ConfigError: rows that mean it contradict each other.
        """
        found = self._list_found(trace)
        return self._merge(found, trace) if found else None

    def label(self, trace: Trace) -> Trace:
        """The trace with its outcome; the same where none is given. Raises: ConfigError: as ``find``."""
        found = self.find(trace)
        return trace if found is None else _apply(found, trace)

    def label_file(self, traces: Sequence[Trace]) -> tuple[list[Trace], set[int]]:
        """The traces of a file with their outcomes, those without one the same; and the numbers of the rows that count.

        Raises: ConfigError: as ``find``.
        """
        labelled: list[Trace] = []
        met: set[int] = set()
        for trace in traces:
            outcomes = self._list_found(trace)
            met.update(outcome.number for outcome in outcomes)
            labelled.append(_apply(self._merge(outcomes, trace), trace) if outcomes else trace)
        return labelled, met

    def list_unmatched(self, met: Set[int]) -> list[Outcome]:
        """The rows whose numbers are not among ``met``, in the order of the file: they name no trace that was read."""
        named = (outcome for outcomes in self.by_id.values() for outcome in outcomes.values())
        rows = {outcome.number: outcome for outcome in (*named, *self.by_path.values())}
        return [outcome for number, outcome in sorted(rows.items()) if number not in met]

    def count_rows(self, met: Set[int]) -> dict[str, int]:
        """``rows`` that say something, how many are ``unmatched``, the first of them (0: none), and ``blank`` rows."""
        unmatched = self.list_unmatched(met)
        first = unmatched[0].number if unmatched else 0
        return {"rows": len(self), "unmatched": len(unmatched), "first_unmatched": first, "blank": self.blank_rows}

    def _list_found(self, trace: Trace) -> list[Outcome]:
        """By the id of the trace or else that of its session, alone and with its file, and by its file alone."""
        named = self._list_named(trace.trace_id, trace)
        if trace.is_sidechain:
            return named
        named = named or self._list_named(trace.root_session_id, trace)
        filed = _find_path(self.by_path, trace) if self.by_path else None
        return named if filed is None else [*named, filed]

    def _list_named(self, name: str, trace: Trace) -> list[Outcome]:
        outcomes = self.by_id.get(name)
        if outcomes is None:
            return []
        both = (outcomes.get(()), _find_path(outcomes, trace))
        return [outcome for outcome in both if outcome is not None]

    def _merge(self, outcomes: Sequence[Outcome], trace: Trace) -> Outcome:
        """The first, with what it leaves empty filled by the others."""
        merged = outcomes[0]
        for other in outcomes[1:]:
            if any(None not in (one, two) and one != two for one, two in zip(merged.said, other.said, strict=True)):
                raise ConfigError(
                    f"--outcomes {self.name}: rows {merged.number} ({merged.key}) and {other.number} ({other.key}) say "
                    f"different things of the trace {trace.trace_id}; keep the one that is right"
                )
            merged = replace_fields(
                merged,
                success=other.success if merged.success is None else merged.success,
                reward=other.reward if merged.reward is None else merged.reward,
                task_id=other.task_id if merged.task_id is None else merged.task_id,
            )
        return merged


def load_outcomes(path: Path) -> Outcomes:
    """Read a file of outcomes.

    Raises:
        ConfigError: it cannot be read or holds no row, or a row names no trace, says nothing of it, or contradicts
            another.
    """
    by_id: dict[str, dict[_Parts, Outcome]] = {}
    by_path: dict[_Parts, Outcome] = {}
    number = blank_rows = 0
    for number, row in enumerate(read_rows(path), 1):
        where = f"--outcomes {path}, row {number}"
        trace_id, file = _get(row, *ID_COLUMNS), _get(row, *PATH_COLUMNS)
        is_blank = all(_get(row, name) is None for name in OUTCOME_COLUMNS)
        if is_blank and any(name in row for name in OUTCOME_COLUMNS):
            blank_rows += 1
            continue
        keys = [f"{name} {value}" for name, value in (("trace_id", trace_id), ("path", file)) if value is not None]
        outcome = _read_outcome(row, number, ", ".join(keys), where)
        if not keys:
            raise ConfigError(f"{where}: names no trace; give trace_id or path")
        parts = () if file is None else PurePath(os.path.normpath(str(file))).parts
        _enter(by_path if trace_id is None else by_id.setdefault(str(trace_id), {}), parts, outcome, where)
    if not number:
        raise ConfigError(f"--outcomes {path}: holds no row; {EXPECTED}")
    return Outcomes(by_id, by_path, blank_rows, str(path))


def read_success(value: Any) -> bool | None:
    """Whether a run succeeded, from true and false, 1 and 0, and the words for them; None for anything else."""
    return value if isinstance(value, bool) else _WORDS.get(str(value).strip().lower())


def read_reward(value: Any) -> float | None:
    """A finite number, also where it is written as text; None for anything else."""
    try:
        reward = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return reward if math.isfinite(reward) else None


def _find_path(known: Mapping[_Parts, Any], trace: Trace) -> Any:
    parts = PurePath(trace.source_path).parts
    return next((hit for start in range(len(parts)) if (hit := known.get(parts[start:])) is not None), None)


def _apply(outcome: Outcome, trace: Trace) -> Trace:
    changes: dict[str, Any] = {"task_id": outcome.task_id} if outcome.task_id is not None else {}
    if outcome.success is not None or outcome.reward is not None:
        changes["verdict_source"] = VERDICT_SOURCE
        changes["success"] = trace.success if outcome.success is None else outcome.success
        changes["reward"] = trace.reward if outcome.reward is None else outcome.reward
    return replace(trace, **changes)


def _enter(known: dict[_Parts, Outcome], key: _Parts, outcome: Outcome, where: str) -> None:
    before = known.setdefault(key, outcome)
    if before.said != outcome.said:
        raise ConfigError(f"{where}: row {before.number} says something else of the same trace")


def _read_outcome(row: Mapping[str, Any], number: int, key: str, where: str) -> Outcome:
    success, reward, task_id = (_get(row, name) for name in OUTCOME_COLUMNS)
    if success is None and reward is None and task_id is None:
        raise ConfigError(f"{where}: says nothing; give success, reward or task_id")
    known, amount = read_success(success), read_reward(reward)
    if known is None and success is not None:
        raise ConfigError(f"{where}: success is {success!r}; give true or false")
    if amount is None and reward is not None:
        raise ConfigError(f"{where}: reward is {reward!r}; give a number")
    return Outcome(number, known, amount, None if task_id is None else str(task_id), key)


def _get(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)
