"""The verdict of a Harbor trial and the trial's name, from the ``result.json`` of its folder.

A trial folder holds ``result.json`` and, under ``agent/``, ``trajectory.json``. One literal result, shortened::

    {"task_name": "hello-world", "trial_name": "hello-world__k3Fq", "verifier_result": {"rewards": {"reward": 1.0}}}

A job folder above it has a ``result.json`` too, without ``task_name``: that is no trial. All trials of a job name their
files alike, so a session that its file gives no name has the trial's (see ``name_session``).

Source: harbor's ``TrialResult`` and ``VerifierResult`` models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracemill.ingest.atif.companions import Tell, describe_failure, tell_nobody
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_record, dump_json, get_text
from tracemill.ingest.outcomes import read_reward
from tracemill.ingest.source import LossLog


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial says about its task; ``reward`` is None where no verifier ran."""

    task_id: str
    trial_name: str | None
    reward: float | None

    @property
    def success(self) -> bool | None:
        """True from reward 1, false at 0 and below; between them nobody says."""
        if self.reward is None or 0.0 < self.reward < 1.0:
            return None
        return self.reward >= 1.0


def read_verdict(trajectory: Path, tell: Tell = tell_nobody) -> Verdict | None:
    """The verdict beside a trajectory or one folder above it; None where there is none that can be read.

    ``tell`` hears of a ``result.json`` that is broken.
    """
    for name in _name_results(trajectory):
        # asked before it is opened: where trajectories lie without trials, a failed opening each would cost most
        if not os.access(name, os.F_OK):
            continue
        result = Path(name)
        verdict, read = _read_result(result)
        if read.losses:
            tell(result, read)
        if verdict is not None:
            return verdict
    return None


def name_session(stem: str, verdict: Verdict | None) -> tuple[str, str]:
    """The ids of a trace and of its root session where the file names neither: the trial's name, else the stem.

    A continuation or a sub-agent in a file of its own (``trajectory.cont-1``) belongs to the trial's session.
    """
    if verdict is None or verdict.trial_name is None:
        return stem, stem
    _, mark, part = stem.rpartition("trajectory.")
    return f"{verdict.trial_name}:{part}" if mark else verdict.trial_name, verdict.trial_name


def _name_results(trajectory: Path) -> tuple[str, str]:
    parts = str(trajectory).rsplit(os.sep, 2)
    if len(parts) == 3:  # as nearly always, and in a quarter of the time
        return f"{parts[0]}{os.sep}{parts[1]}/result.json", f"{parts[0]}/result.json"
    folder = trajectory.parent
    return f"{folder}/result.json", f"{folder.parent}/result.json"


def _read_result(path: Path) -> tuple[Verdict | None, LossLog]:
    """The verdict of a file that is a trial's, and what was lost in it."""
    log = LossLog(path="")
    try:
        result = as_record(read_document(path, log))
    except OSError as error:
        return None, describe_failure(error)
    task_name = get_text(result, "task_name")
    if task_name is None:
        return None, log
    reward = _find_reward(as_record(result.get("verifier_result")), log)
    return Verdict(task_name, get_text(result, "trial_name"), reward), log


def _find_reward(verifier: Mapping[str, Any], log: LossLog) -> float | None:
    rewards = as_record(verifier.get("rewards"))
    key = next(iter(rewards)) if len(rewards) == 1 else "reward"
    told = (rewards if key in rewards else verifier).get(key)
    reward = read_reward(told) if isinstance(told, str | int | float) else None
    if reward is None and told is not None:
        log.drop("malformed_record", detail=f"reward {key!r} of the verifier cannot be read", content=dump_json(told))
    return reward
