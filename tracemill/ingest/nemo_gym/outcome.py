"""What a NeMo Gym row says of its rollout: the task, the reward, whether it was solved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tracemill.ingest.json_fields import as_record, dump_json, get_int, get_text
from tracemill.ingest.outcomes import read_reward, read_success

#: ``agent_error_kind`` is this whenever the agent's process printed anything: no error.
_NO_AGENT_ERROR = "other"
_BROKEN_FLAGS = ("mask_sample", "agent_timed_out", "eval_timed_out", "invalid_judge_response")
_FAILED_STATES = ("failed", "cancelled")
#: Why a verifier gave no verdict: it broke down itself, or the answer to compare with did.
_NO_VERDICTS = ("unknown_error", "gold_execution_error")
#: What a verdict stands in, read as chat rows and files of outcomes are: numbers and words may be text, true is 1.
_VERDICT_FIELDS: Mapping[str, Callable[[Any], Any]] = {"resolved": read_success, "reward": read_reward}
_CHUNK_BYTES = 1 << 20


def find_success(row: Mapping[str, Any], threshold: float | None = None) -> bool | None:
    """Whether the rollout solved its task; None where nobody knows.

    ``resolved`` decides where it can be read, else the reward: 1 is true, 0 is false, anything else unknown. With a
    ``threshold`` a reward from it on is true and one below it false. Where the sample is masked, or the agent or the
    evaluation broke down, the verdict is about the breakdown and nothing is known.
    """
    if has_broken_down(row) or _is_unverified(row):
        return None
    resolved = _read(row, "resolved")
    if resolved is not None:
        return resolved
    reward = _read(row, "reward")
    if reward is None:
        return None
    if threshold is not None:
        return reward >= threshold
    return {1.0: True, 0.0: False}.get(reward)


def find_reward(row: Mapping[str, Any]) -> float | None:
    """The reward; None where nobody looked at the answer: then the configuration says what stands there."""
    return None if _is_unverified(row) else _read(row, "reward")


def list_unread(row: Mapping[str, Any]) -> list[str]:
    """The fields of the verdict that say something, but nothing that can be read."""
    if _is_unverified(row):
        return []
    return [key for key in _VERDICT_FIELDS if not _is_blank(row.get(key)) and _read(row, key) is None]


def has_broken_down(row: Mapping[str, Any]) -> bool:
    """Whether the row is masked or tells of an error of the agent, its machine or the evaluation."""
    if any(row.get(key) is True for key in _BROKEN_FLAGS):
        return True
    if row.get("evaluation_completed") is False or get_text(row, "failure_reason") in _NO_VERDICTS:
        return True
    if get_text(row, "error_kind", "_ng_failure_class") is not None:
        return True
    if get_text(row, "agent_error_kind") not in (None, _NO_AGENT_ERROR):
        return True
    response = as_record(row.get("response"))
    if response.get("error") or response.get("status") in _FAILED_STATES:
        return True
    return bool(as_record(row.get("metadata")).get("exception_info"))


def find_task_id(row: Mapping[str, Any], path: Path) -> str | None:
    """``instance_id``, else the task's number in the file that holds it, else a hash of the input; None without one.

    Raises:
        OSError: the file cannot be read.
    """
    params = as_record(row.get("responses_create_params"))
    named = get_text(row, "instance_id") or get_text(as_record(params.get("metadata")), "instance_id")
    if named is not None:
        return named
    index = get_int(row, "_ng_task_index")
    if index is not None:
        status = path.stat()
        return f"{_hash_file(str(path), status.st_size, status.st_mtime_ns)}:{index}"
    asked = [params.get("instructions"), params.get("input")]
    if not any(asked):
        return None
    text = dump_json(asked)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else None


def _read(row: Mapping[str, Any], key: str) -> Any:
    value = row.get(key)
    return None if _is_blank(value) else _VERDICT_FIELDS[key](value)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_unverified(row: Mapping[str, Any]) -> bool:
    return row.get("verification_skipped") is True


@lru_cache(maxsize=64)
def _hash_file(path: str, size: int, changed_ns: int) -> str:  # noqa: ARG001 - a file that changed is hashed again
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:12]
