"""Groups of files → redacted traces, each conversation once.

Copies of a session (one a prefix of the other) are recognised within a group: the longest is kept, the others are
counted as ``repeated_session``. Two different conversations with one id both stay; all but the first get a suffix made
from their content (``id_conflict``). So does a session inside another session's file, where a file of its own exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from tracemill.errors import CountError
from tracemill.ingest.inventory import Group, Inventory, Member, Selection
from tracemill.ingest.source import Loss, LossLog, ReadOptions, Source
from tracemill.redact import Redactor
from tracemill.trace import Message, Trace

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Intake:
    """What reading did, in counts that must add up.

    ``traces_found = traces_kept + repeated + no_messages + not_selected + over_limit``, where ``over_limit`` are the
    rest of the last session read when the number asked for was reached. Each of ``files_read`` gave traces or is one of
    ``files_without_traces``, but for files that hold many sessions, which are read session by session. Of
    ``lines_read``, ``lines_with_losses`` lost something. ``losses`` holds every loss, redacted, ready for
    ``rejects.jsonl``; ``notes`` what was mended.
    """

    files_read: int = 0
    files_without_traces: int = 0
    lines_read: int = 0
    lines_with_losses: int = 0
    traces_found: int = 0
    traces_kept: int = 0
    repeated: int = 0
    no_messages: int = 0
    not_selected: int = 0
    over_limit: int = 0
    losses: list[Loss] = field(default_factory=list[Loss])
    notes: dict[str, int] = field(default_factory=dict[str, int])
    redacted: dict[str, int] = field(default_factory=dict[str, int])

    def check(self) -> None:
        """Raises: CountError: a trace went missing between reading and keeping."""
        kept = self.traces_kept + self.repeated + self.no_messages + self.not_selected + self.over_limit
        if kept != self.traces_found:
            raise CountError(f"reading found {self.traces_found} traces but accounts for {kept}")


def collect_traces(
    source: Source,
    inventory: Inventory,
    selection: Selection,
    intake: Intake,
    *,
    redactor: Redactor | None,
    limit: int | None = None,
    options: ReadOptions | None = None,
) -> Iterator[Trace]:
    """Yield at most ``limit`` traces of an inventory in reading order; no body is read beyond the last one taken."""
    for loss in inventory.rejects:
        intake.losses.append(redactor.redact_loss(loss) if redactor else loss)
    seen: dict[str, str] = {}
    for group in inventory.groups:
        if limit is not None and intake.traces_kept >= limit:
            return
        traces = read_group(source, group, intake, redactor=redactor, options=options or ReadOptions())
        for found in traces:
            trace = _make_unique(found, group, inventory.root_ids, seen, intake)
            if trace is None:
                intake.repeated += 1
            elif selection.trace_ids and not _is_asked_for(trace, selection.trace_ids):
                intake.not_selected += 1
            elif limit is not None and intake.traces_kept >= limit:
                intake.over_limit += 1
            else:
                intake.traces_kept += 1
                for kind, count in trace.redacted.items():
                    intake.redacted[kind] = intake.redacted.get(kind, 0) + count
                yield trace


def read_group(
    source: Source, group: Group, intake: Intake, *, redactor: Redactor | None, options: ReadOptions
) -> list[Trace]:
    """Read all files of one root session; every conversation once, its main session first."""
    traces: list[Trace] = []
    for member in group.members:
        traces.extend(_read_member(source, member, intake, options, redactor))
    intake.traces_found += len(traces)
    traces = [trace for trace in traces if _has_messages(trace, intake)]
    unique = list(_drop_repeats(traces, intake))
    return sorted(unique, key=lambda trace: trace.is_sidechain)


def _read_member(
    source: Source, member: Member, intake: Intake, options: ReadOptions, redactor: Redactor | None
) -> list[Trace]:
    path, entry = member.path, member.entry
    log = LossLog(path=str(path))
    intake.files_read += member.counts
    traces: list[Trace] = []
    try:
        if entry is None or source.read_entry is None:
            traces.extend(source.read_file(path, log, options))
        else:
            traces.extend(source.read_entry(path, entry, log, options))
    except OSError as error:
        log.drop("unreadable_file", detail=error.strerror or str(error))
    intake.lines_read += log.lines_read
    intake.lines_with_losses += len({loss.line for loss in log.losses if loss.line is not None})
    intake.files_without_traces += entry is None and not traces
    for reason, count in log.notes.items():
        intake.notes[reason] = intake.notes.get(reason, 0) + count
    if redactor is None:
        intake.losses.extend(log.losses)
        return traces
    intake.losses.extend(redactor.redact_loss(loss) for loss in log.losses)
    return [redactor.redact_trace(trace) for trace in traces]


def _has_messages(trace: Trace, intake: Intake) -> bool:
    if any(message.role != "system" for message in trace.messages):
        return True
    intake.no_messages += 1
    intake.losses.append(Loss("no_messages", trace.source_path, detail=f"trace {trace.trace_id} has no message"))
    return False


def _drop_repeats(traces: Iterable[Trace], intake: Intake) -> Iterator[Trace]:
    by_id: dict[str, list[Trace]] = {}
    for trace in traces:
        by_id.setdefault(trace.trace_id, []).append(trace)
    for same_id in by_id.values():
        kept: list[Trace] = []
        for trace in sorted(same_id, key=lambda item: (-len(item.messages), item.source_path)):
            longer = next((other for other in kept if _is_prefix(trace, other)), None)
            if longer is None:
                kept.append(trace)
                continue
            intake.repeated += 1
            detail = f"trace {trace.trace_id}: its {len(trace.messages)} messages begin those of {longer.source_path}"
            intake.losses.append(Loss("repeated_session", trace.source_path, detail=detail))
        yield kept[0]
        for trace in kept[1:]:
            yield _add_suffix(trace, intake)


def _is_prefix(shorter: Trace, longer: Trace) -> bool:
    """Whether all messages of ``shorter`` but the last begin ``longer``; the last may have grown meanwhile."""
    count = len(shorter.messages)
    if count > len(longer.messages):
        return False
    pairs = zip(shorter.messages, longer.messages, strict=False)
    return all(
        _is_same_message(ours, theirs) or (index == count - 1 and theirs.text.startswith(ours.text))
        for index, (ours, theirs) in enumerate(pairs)
    )


def _is_same_message(ours: Message, theirs: Message) -> bool:
    return ours.role == theirs.role and ours.content == theirs.content and ours.tool_calls == theirs.tool_calls


def _make_unique(
    trace: Trace, group: Group, root_ids: frozenset[str], seen: dict[str, str], intake: Intake
) -> Trace | None:
    """The trace under an id that no other trace of the run has; None where it came before with the same content.

    A guest (a session in a file whose head names another one) gives way to the file of its own session.
    """
    digest = _hash_content(trace)
    is_guest = trace.root_session_id != group.root_session_id and trace.root_session_id in root_ids
    if is_guest or seen.get(trace.trace_id, digest) != digest:
        trace = _add_suffix(trace, intake)
    if trace.trace_id in seen:
        detail = f"trace {trace.trace_id} came before, in another file"
        intake.losses.append(Loss("repeated_session", trace.source_path, detail=detail))
        return None
    seen[trace.trace_id] = digest
    return trace


def _add_suffix(trace: Trace, intake: Intake) -> Trace:
    intake.notes["id_conflict"] = intake.notes.get("id_conflict", 0) + 1
    return replace(trace, trace_id=f"{trace.trace_id}~{_hash_content(trace)}")


def _hash_content(trace: Trace) -> str:
    """Tells conversations with one id apart, by length, first and last words.

    No times: Hermes writes one session into a snapshot and into its database with different ones.
    """
    content = [len(trace.messages), trace.goal[:2000], trace.final_assistant_message[:2000]]
    return hashlib.blake2b(_encode(content), digest_size=4).hexdigest()


def _is_asked_for(trace: Trace, wanted: frozenset[str]) -> bool:
    return trace.trace_id in wanted or trace.root_session_id in wanted
