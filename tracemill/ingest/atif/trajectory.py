"""An ATIF trajectory as it is decoded: of each object the fields that a trace is made of, each of any shape.

What is no such field is skipped by the decoder and never built: token ids and log probabilities can be most of a file.
A field holds what its type says where the file is in order, else whatever stood there: ``as_text`` and the other
functions below take what they need and pass over the rest.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard, cast

import msgspec

from tracemill.ingest.document_head import decode_plain, decode_tools, read_start
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_decode import decode_json
from tracemill.ingest.json_fields import get_int
from tracemill.ingest.source import LossLog

_NoRecord = str | int | float | bool | list[Any] | None
_NoList = str | int | float | bool | dict[str, Any] | None
_MAX_COUNT = 2**53
NO_TRAJECTORY = "no object with steps and an agent or an ATIF schema_version"


class Signs(msgspec.Struct, gc=False):
    """Whether a call failed, as a result says it or the objects beside it."""

    is_error: Any = None
    tool_result_is_error: Any = None
    error: Any = None
    success: Any = None
    status: Any = None


class Result(Signs, gc=False):
    source_call_id: Any = None
    content: Any = None
    extra: Signs | _NoRecord = None
    metadata: Signs | _NoRecord = None
    subagent_trajectory_ref: Any = None


class Observation(msgspec.Struct, gc=False):
    results: list[Result | _NoRecord] | _NoList = None


class Call(msgspec.Struct, gc=False):
    function_name: Any = None
    tool_call_id: Any = None
    arguments: Any = None


class Metrics(msgspec.Struct, gc=False):
    prompt_tokens: Any = None
    completion_tokens: Any = None


class StepExtra(msgspec.Struct, gc=False):
    stop_reason: Any = None
    finish_reason: Any = None
    tool_result_is_error: Any = None


class Step(msgspec.Struct, gc=False):
    """One step; the fields that the format allows on steps of the model alone tell absence from null."""

    source: Any = None
    message: Any = None
    timestamp: Any = None
    tool_calls: list[Call | _NoRecord] | _NoList = None
    observation: Observation | _NoRecord = None
    reasoning_content: Any = msgspec.UNSET
    model_name: Any = msgspec.UNSET
    llm_call_count: Any = msgspec.UNSET
    metrics: Metrics | _NoRecord | msgspec.UnsetType = msgspec.UNSET
    extra: StepExtra | _NoRecord = None
    is_copied_context: Any = None


class AgentExtra(msgspec.Struct, gc=False):
    parent_session_id: Any = None
    cwd: Any = None
    cwds: Any = None
    git_branch: Any = None
    git_branches: Any = None


class Agent(msgspec.Struct, gc=False):
    """Definitions are as they stand in the file, or a tuple of what has been read of them already."""

    name: Any = None
    version: Any = None
    model_name: Any = None
    tool_definitions: Any = None
    extra: AgentExtra | _NoRecord = None


class Totals(msgspec.Struct, gc=False):
    total_prompt_tokens: Any = None
    total_completion_tokens: Any = None
    total_cost_usd: Any = None


class Trajectory(msgspec.Struct, gc=False):
    schema_version: Any = None
    session_id: Any = None
    trajectory_id: Any = None
    agent: Agent | _NoRecord = None
    steps: list[Step | _NoRecord] | _NoList = None
    final_metrics: Totals | _NoRecord = None
    continued_trajectory_ref: Any = None
    notes: Any = None
    subagent_trajectories: list[Trajectory | _NoRecord] | _NoList = None


_NO_TOOLS = msgspec.Raw(b"[]")


class _RawAgent(Agent, gc=False):
    tool_definitions: msgspec.Raw = _NO_TOOLS


class _RawTrajectory(Trajectory, gc=False):
    """A trajectory whose agent's tool definitions are not decoded yet."""

    agent: _RawAgent | _NoRecord = None  # pyright: ignore[reportIncompatibleVariableOverride]


class HeadAgent(msgspec.Struct, gc=False):
    name: Any = None
    extra: AgentExtra | _NoRecord = None


class HeadStep(msgspec.Struct, gc=False):
    timestamp: Any = None


class HeadFields(msgspec.Struct, gc=False):
    """What the head of a file in order tells; of the steps their times alone are looked at."""

    session_id: str
    agent: HeadAgent
    steps: list[HeadStep]


class Document(msgspec.Struct, gc=False):
    """The trajectory of a file; ``load`` gives all that stands there."""

    trajectory: Trajectory
    content: bytes | dict[str, Any]

    def load(self) -> dict[str, Any]:
        """The whole object of the file."""
        return decode_json(self.content, LossLog(path="")) if isinstance(self.content, bytes) else self.content

    def load_step(self, places: Iterable[int], place: int) -> Any:
        """All of a step of the trajectory that is reached by ``places``, one a level of nesting."""
        record = self.load()
        for number in places:
            record = record["subagent_trajectories"][number]
        return record["steps"][place]


#: Where the steps begin, if it is no field of another object.
_STEPS = re.compile(rb'"steps"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_CUT = "Input data was truncated"
_skip_value = msgspec.json.Decoder(msgspec.Raw).decode
_decode_head = msgspec.json.Decoder(HeadFields).decode
_decode_raw = msgspec.json.Decoder(_RawTrajectory).decode


def peek_head(raw: bytes) -> HeadFields | None:
    """What the head tells, from all bytes of a file; None where they need more care."""
    try:
        return _decode_head(raw)
    except (ValueError, RecursionError):
        return None


def peek_cut_head(raw: bytes) -> HeadFields | None:
    """The same from the first bytes of a larger file, where these end among the steps: what stands before the steps."""
    start = _STEPS.search(raw)
    if start is None:
        return None
    fields = peek_head(raw[: start.start()] + b'"steps":[]}')
    return fields if fields is not None and fields.agent.name is not None and _is_cut(raw[start.end() :]) else None


def _is_cut(raw: bytes) -> bool:
    try:
        _skip_value(raw)
    except (ValueError, RecursionError) as error:
        return str(error) == _CUT  # it says nothing else of where it stopped
    return False


def read_trajectory(path: Path, log: LossLog) -> Document | None:
    """The object that a file holds, or None where it is not JSON or no object (logged).

    Raises:
        OSError: the file cannot be opened or read.
    """
    raw = read_start(path, sys.maxsize)
    trajectory = decode_plain(raw, _decode_whole)
    if trajectory is not None:
        log.lines_read += 1
        return Document(trajectory, raw)
    record = read_document(path, log, takes_first=True)
    if record is None:
        return None
    trajectory = shape_trajectory(record)
    if trajectory is None:
        log.drop("foreign_file", detail=NO_TRAJECTORY)
        return None
    return Document(trajectory, record)


def _decode_whole(raw: bytes) -> Trajectory:
    """Raises: ValueError: what no trajectory in order is. RecursionError: nested too deep."""
    found = _decode_raw(raw)
    if isinstance(found.agent, _RawAgent):
        raw_tools = found.agent.tool_definitions
        cast(Agent, found.agent).tool_definitions = () if raw_tools is _NO_TOOLS else decode_tools(bytes(raw_tools))
    return found


def shape_trajectory(record: Any) -> Trajectory | None:
    """The trajectory of an object that is decoded already; None where it is no object."""
    try:
        return msgspec.convert(record, Trajectory)
    except (ValueError, RecursionError):
        return None


def is_trajectory(found: Any) -> TypeGuard[Trajectory]:
    """Whether it has steps, and an agent or a version of the format."""
    if not isinstance(found, Trajectory) or not isinstance(found.steps, list):
        return False
    return isinstance(found.agent, Agent) or (as_text(found.schema_version) or "").startswith("ATIF")


def as_text(value: Any) -> str | None:
    """The value if it is a string with something in it."""
    return value if type(value) is str and value and not value.isspace() else None


def as_count(value: Any) -> int | None:
    """The value if it is a whole number, see ``get_int``."""
    if value is None or (type(value) is int and -_MAX_COUNT <= value <= _MAX_COUNT):
        return value
    return get_int({"": value}, "")
