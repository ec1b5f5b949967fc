"""Verdicts of NeMo Gym rollouts: success of rewards, and what is no plain number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_nemo_gym import answer, read, read_row, rollout, write_lines
from tracemill.ingest import get_source
from tracemill.ingest.nemo_gym.outcome import find_success


def test_success_of_rewards() -> None:
    rewards: list[Any] = [1, "1.0", True, 0, 0.0, " 0", 0.5, 2.0, -1, "much", "", None, float("nan"), [1.0]]
    expected = [True, True, True, False, False, False, *[None] * 8]
    assert [find_success({"reward": reward}) for reward in rewards] == expected
    assert [find_success({"reward": reward}, 0.5) for reward in (0.4, 0.5, 1.0, None)] == [False, True, True, None]
    assert find_success({"reward": 0.0, "resolved": True}) is True
    assert find_success({"reward": 1.0, "resolved": "yes"}) is True
    for field, value in (("agent_error_kind", "other"), ("failure_reason", "judge_evaluation_failed")):
        assert find_success({"reward": 0.0, field: value}) is False


@pytest.mark.parametrize("key", ["reward", "resolved"])
@pytest.mark.parametrize(
    "told",
    ["1.0", "0.5", "much", "", None, True, False, 1, 0.5, float("nan"), float("-inf"), "nan", "true", [1.0], {}],
    ids=repr,
)  # fmt: skip
def test_a_verdict_is_read_as_that_of_a_chat_row(tmp_path: Path, key: str, told: Any) -> None:
    """What one reader understands or counts the other does too."""
    row = {**rollout(answer("ok"), reward=None), key: told}
    (trace,), log = read(write_lines(tmp_path / "r.jsonl", row))
    chat = {"messages": [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "ok"}], key: told}
    (other,), other_log = read(write_lines(tmp_path / "c.jsonl", chat), get_source("openai_chat"))
    assert (trace.reward, trace.dropped) == (other.reward, other.dropped)
    assert [(loss.reason, loss.line, loss.content) for loss in log.losses] == [
        (loss.reason, loss.line, loss.content) for loss in other_log.losses
    ]
    if key == "resolved":
        assert trace.success == other.success


def test_a_reward_of_no_verifier_is_not_looked_at(tmp_path: Path) -> None:
    trace, log = read_row(tmp_path, rollout(answer("ok"), reward="none", verification_skipped=True))
    assert (trace.reward, trace.success, log.losses) == (None, None, [])
