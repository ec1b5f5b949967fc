"""The verdict of a Harbor trial on the trace of the agent that ran in it, for formats that have none of their own."""

from __future__ import annotations

from msgspec.structs import replace

from tracemill.ingest.atif.harbor_trial import Verdict
from tracemill.trace import Trace


def add_verdict(trace: Trace, verdict: Verdict | None) -> Trace:
    """The trace with task, reward and success of the trial around its file, where there is one."""
    if verdict is None:
        return trace
    meta = {**trace.source_meta, "trial_name": verdict.trial_name} if verdict.trial_name else trace.source_meta
    trace = replace(trace, task_id=verdict.task_id, source_meta=meta)
    if trace.is_sidechain or verdict.reward is None:
        return trace
    return replace(trace, reward=verdict.reward, success=verdict.success, verdict_source="verifier")
