"""The verdict of a Harbor trial, from the ``result.json`` of its folder.

A trial folder holds ``result.json`` and, under ``agent/``, ``trajectory.json``. One literal result, shortened::

    {"task_name": "hello-world", "trial_name": "hello-world__k3Fq", "verifier_result": {"rewards": {"reward": 1.0}}}

A job folder above it has a ``result.json`` too, without ``task_name``: that is no trial.

Source: harbor's ``TrialResult`` and ``VerifierResult`` models.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracemill.ingest.json_fields import as_record, get_number, get_text
from tracemill.ingest.lines import read_document
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


def read_verdict(trajectory: Path) -> Verdict | None:
    """The verdict beside a trajectory or one folder above it; None where there is none that can be read."""
    for name in _name_results(trajectory):
        # asked before it is opened: where trajectories lie without trials, a failed opening each would cost most
        if os.access(name, os.R_OK) and (verdict := _read_result(Path(name))) is not None:
            return verdict
    return None


def _name_results(trajectory: Path) -> tuple[str, str]:
    parts = str(trajectory).rsplit(os.sep, 2)
    if len(parts) == 3:  # as nearly always, and in a quarter of the time
        return f"{parts[0]}{os.sep}{parts[1]}/result.json", f"{parts[0]}/result.json"
    folder = trajectory.parent
    return f"{folder}/result.json", f"{folder.parent}/result.json"


def _read_result(path: Path) -> Verdict | None:
    try:
        result = as_record(read_document(path, LossLog(path=str(path))))
    except OSError:
        return None
    task_name = get_text(result, "task_name")
    if task_name is None:
        return None
    return Verdict(task_name, get_text(result, "trial_name"), _find_reward(as_record(result.get("verifier_result"))))


def _find_reward(verifier: Mapping[str, Any]) -> float | None:
    rewards = as_record(verifier.get("rewards"))
    if "reward" in rewards:
        return get_number(rewards, "reward")
    if len(rewards) == 1:
        return get_number(rewards, next(iter(rewards)))
    return get_number(verifier, "reward")
