"""ATIF trajectories (Agent Trajectory Interchange Format) → traces.

Files: ``trajectory.json`` and any other ``*.json`` that holds one trajectory; continuations (``*.cont-1.json``) and the
sub-agents of a context summarization beside it. ``result.json`` and ``config.json`` of a Harbor trial folder are no
trajectories; the trial's result is read for its verdict (see ``harbor_trial``).

Checked against ATIF v1.2 to v1.8: Harbor's terminus-2 and OpenHands goldens (v1.5), NeMo Agent Toolkit, NeMo Relay and
OpenAgents files (v1.7). Other versions are read the same way.

A row is a step; a file is one object::

    {"schema_version": "ATIF-v1.5", "session_id": "f1d2", "agent": {"name": "terminus-2", "version": "2.0.0"},
     "steps": [{"step_id": 1, "source": "user", "message": "Create hello.txt"}, ...]}

Kept: every message; agent steps as one model turn each (``llm_call_count`` 0, a step that no model took, as injected);
observations as tool results of the step's calls, by id, else in order; observations without a call as injected user
messages; steps of unknown source as injected user messages; tool definitions; usage; embedded
``subagent_trajectories`` as traces of their own; steps with ``is_copied_context``, named by position in
``source_meta["copied_context_messages"]``; references to other trajectories, in ``source_meta``.
Dropped: token ids and log probabilities, costs of single steps, ``extra`` fields other than those named in the code;
counted: steps that are no objects or have nothing that can be placed (``malformed_record``).

Ids: ``trace_id`` is ``session_id``, else ``trajectory_id``, else the name of the Harbor trial around the file (for a
continuation ``<trial>:<part>``), else the file's stem. ``root_session_id`` is the session's own, the trial's, or
``agent.extra.parent_session_id`` where a file is a sub-agent's own (terminus-2's summarization agents).

Source: https://harborframework.com/docs/trajectory-format
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.atif.companions import count_shared_fault
from tracemill.ingest.atif.harbor_trial import Verdict, name_session, read_verdict
from tracemill.ingest.atif.steps import StepReader
from tracemill.ingest.atif.trajectory import (
    NO_TRAJECTORY,
    Agent,
    AgentExtra,
    Document,
    HeadAgent,
    HeadFields,
    HeadStep,
    Step,
    Totals,
    Trajectory,
    as_count,
    as_text,
    is_trajectory,
    peek_cut_head,
    peek_head,
    read_trajectory,
    shape_trajectory,
)
from tracemill.ingest.document_head import HEAD_BYTES, read_start, scan_leading_fields
from tracemill.ingest.json_fields import as_list, as_record, format_time, get_number, read_tool_definitions
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces, sum_tokens
from tracemill.trace import Message, Trace

_NO_TRAJECTORIES = frozenset({"result.json", "config.json", ".json"})
_MAX_NESTING = 20
_AGENTS = (Agent, HeadAgent)
_NO_AGENT = Agent()
_NO_EXTRA = AgentExtra()
_NO_TOTALS = Totals()


@dataclass(frozen=True, slots=True)
class _Parent:
    trace_id: str
    root_session_id: str


def is_session_file(path: Path) -> bool:
    name = path.name
    return name.endswith(".json") and name not in _NO_TRAJECTORIES


def read_head(path: Path) -> Head | None:
    raw = read_start(path)
    fields = peek_head(raw) if len(raw) < HEAD_BYTES else peek_cut_head(raw)
    if fields is not None and (own_id := as_text(fields.session_id)):
        return Head(_find_parent_session(fields) or own_id, _find_first_time(fields.steps))
    leading, _ = scan_leading_fields(raw)
    if "steps" in leading and leading["steps"] is None:
        leading["steps"] = list[Any]()
    found = shape_trajectory(leading)
    if not (is_trajectory(found) and as_text(found.session_id) and as_record(leading.get("agent"))):
        document = read_trajectory(path, LossLog(path=str(path)))
        found = document.trajectory if document else None
    return _describe_head(found, path) if is_trajectory(found) else None


def read_file(path: Path, log: LossLog, _options: ReadOptions) -> Iterator[Trace]:
    document = read_trajectory(path, log)
    if document is None:
        return iter(())
    if not is_trajectory(document.trajectory):
        log.drop("foreign_file", detail=NO_TRAJECTORY)
        return iter(())
    verdict = read_verdict(path, partial(count_shared_fault, path, log, SOURCE))
    reader = _FileReader(path, log, verdict, document)
    reader.read(document.trajectory, None, ())
    return iter(finish_traces(reader.traces, log) if log.losses else reader.traces)


class _FileReader(msgspec.Struct):
    """Reads the trajectory of one file and those embedded in it."""

    path: Path
    log: LossLog
    verdict: Verdict | None
    document: Document
    traces: list[Trace] = []
    used_ids: set[str] = set()

    def read(self, found: Trajectory, parent: _Parent | None, places: tuple[int, ...]) -> None:
        """Read a trajectory and those in it; ``places``: where it stands, one place a level of nesting."""
        trace_id, own_root = self._name_trace(found, parent, places)
        self.used_ids.add(trace_id)
        parent_id = parent.trace_id if parent else _find_parent_session(found)
        root = parent.root_session_id if parent else parent_id or own_root
        trace = self._read_one(found, trace_id, root, parent_id, places)
        if trace.messages:
            self.traces.append(trace)
        else:
            self.log.drop("no_messages", detail=f"trajectory {trace_id}"[:200])
        if not found.subagent_trajectories:
            return
        for number, child in enumerate(as_list(found.subagent_trajectories)):
            if is_trajectory(child) and len(places) < _MAX_NESTING:
                self.read(child, _Parent(trace_id, root), (*places, number))
            else:
                self.log.drop("malformed_record", detail=f"subagent_trajectories[{number}] of {trace_id}"[:200])

    def _name_trace(self, found: Trajectory, parent: _Parent | None, places: tuple[int, ...]) -> tuple[str, str]:
        """The ids of a trace and of the root session that it would have of its own."""
        part = as_text(found.trajectory_id)
        own = as_text(found.session_id) or part
        if parent is None:
            return (own, own) if own is not None else name_session(self.path.stem, self.verdict)
        if own is not None and own not in {*self.used_ids, parent.root_session_id}:
            return own, own
        place = places[-1]
        qualified = f"{parent.trace_id}:{place if part in (None, parent.trace_id) else part}"
        name = qualified if qualified not in self.used_ids else f"{qualified}:{place}"
        return name, name

    def _read_one(
        self, found: Trajectory, trace_id: str, root: str, parent_id: str | None, places: tuple[int, ...]
    ) -> Trace:
        agent = found.agent if isinstance(found.agent, Agent) else _NO_AGENT
        total = found.final_metrics if type(found.final_metrics) is Totals else _NO_TOTALS
        extra = agent.extra if type(agent.extra) is AgentExtra else _NO_EXTRA
        model, tools = as_text(agent.model_name), agent.tool_definitions
        steps = StepReader(self.log, f"{trace_id}: " if places else "", model, self.document, places)
        messages = steps.read(found)
        times = [message.timestamp for message in messages if message.timestamp]
        meta = _describe_source(found, agent, total)
        if steps.copied or steps.subagents:
            meta |= steps.describe()
        input_tokens, output_tokens = _count_tokens(total, messages if steps.has_usage else ())
        # most by place: twenty fields by name would take six times as long, as much as two steps
        trace = Trace(
            trace_id,
            SOURCE.name,
            str(self.path),
            root,
            messages,
            (as_text(found.trajectory_id) or trace_id) if parent_id else None,
            parent_id is not None,
            parent_id,
            _find_place(extra.cwd, extra.cwds),
            None,  # project_path
            _find_place(extra.git_branch, extra.git_branches),
            None,  # git_commit
            None,  # repository_url
            times[0] if times else None,
            times[-1] if times else None,
            meta,
            model=steps.last_model or model,
            tools=tools if isinstance(tools, tuple) else read_tool_definitions(tools),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
        )
        return trace if self.verdict is None else _judge(trace, self.verdict)


def _count_tokens(total: Totals, messages: Sequence[Message]) -> tuple[int | None, int | None]:
    """What the file says of the whole, else the sum over its turns: of input, of output."""
    prompt, completion = as_count(total.total_prompt_tokens), as_count(total.total_completion_tokens)
    if messages and prompt is None:
        prompt = sum_tokens(messages, "input_tokens")
    if messages and completion is None:
        completion = sum_tokens(messages, "output_tokens")
    return prompt, completion


def _judge(trace: Trace, verdict: Verdict) -> Trace:
    """Add the trial's outcome; a sub-agent shares the task, but the verdict is about the whole."""
    meta = {**trace.source_meta, "trial_name": verdict.trial_name} if verdict.trial_name else trace.source_meta
    trace = replace(trace, task_id=verdict.task_id, source_meta=meta)
    if trace.is_sidechain or verdict.reward is None:
        return trace
    return replace(trace, reward=verdict.reward, success=verdict.success, verdict_source="verifier")


def _describe_head(found: Trajectory, path: Path) -> Head:
    """The ids, and the first time among the steps; None where the steps were too long for the head."""
    own_id = as_text(found.session_id) or as_text(found.trajectory_id)
    own_id = own_id or name_session(path.stem, read_verdict(path))[1]
    steps = [step for step in as_list(found.steps) if isinstance(step, Step)]
    return Head(_find_parent_session(found) or own_id, _find_first_time(steps))


def _find_first_time(steps: Iterable[Step | HeadStep]) -> str | None:
    for step in steps:
        if step.timestamp is not None and (time := format_time(step.timestamp)):
            return time
    return None


def _find_parent_session(found: Trajectory | HeadFields) -> str | None:
    extra = found.agent.extra if isinstance(found.agent, _AGENTS) else None
    if type(extra) is not AgentExtra or extra.parent_session_id is None:
        return None
    parent = as_text(extra.parent_session_id)
    return parent if parent != as_text(found.session_id) else None


def _find_place(named: Any, several: Any) -> str | None:
    place = as_text(named)
    return place or next((item for item in as_list(several) if isinstance(item, str)), None) if several else place


def _describe_source(found: Trajectory, agent: Agent, total: Totals) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    for key, text in (
        ("schema_version", found.schema_version),
        ("agent_name", agent.name),
        ("agent_version", agent.version),
        ("trajectory_id", found.trajectory_id),
        ("continued_trajectory_ref", found.continued_trajectory_ref),
        ("notes", found.notes),
    ):
        if text is not None and as_text(text):
            meta[key] = text
    if total.total_cost_usd is not None and (cost := get_number({"": total.total_cost_usd}, "")) is not None:
        meta["cost_usd"] = cost
    return meta


SOURCE = Source(
    name="atif",
    title="ATIF (Harbor)",
    default_dir=None,
    file_pattern="*.json",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
