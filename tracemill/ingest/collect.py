"""Groups of files → redacted traces, each conversation once.

Copies of a session (one a prefix of the other) are recognised within a group: the longest is kept, with what only a
shorter one says of their messages, the others are counted as ``repeated_session``. Two different conversations with one
id both stay; all but the first get a suffix made from their content (``id_conflict``). So does a session inside another
session's file, where a file of its own exists. Runs that came to different verdicts are never copies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_not
from typing import TypeVar

from msgspec.structs import replace

from tracemill.errors import CountError
from tracemill.ingest.copies import fill_from_copy, is_copy
from tracemill.ingest.inventory import Group, Inventory, Member, Selection
from tracemill.ingest.packed import Packed, hash_content, rename_packed
from tracemill.ingest.source import FILE_REASONS, Loss, LossLog, ReadOptions, Source, spell_name
from tracemill.redact import Redactor
from tracemill.trace import Trace

Found = TypeVar("Found", Trace, Packed)


@dataclass(slots=True)
class Intake:
    """What reading did, in counts that must add up.

    ``traces_found = traces_kept + repeated + no_messages + not_selected + over_limit``, where ``over_limit`` are the
    rest of the last session read when the number asked for was reached. Each of ``files_read`` gave traces or is one of
    ``files_without_traces``, but for files that hold many sessions, which are read session by session. Of
    ``lines_read``, ``lines_with_losses`` lost something. ``losses`` holds every loss, redacted, ready for
    ``rejects.jsonl``; ``notes`` what was mended. ``labelled``: traces that got an outcome of the user's, of all
    that were found; ``outcome_rows``: the numbers of the rows that they got them from.
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
    labelled: int = 0
    outcome_rows: set[int] = field(default_factory=set[int])
    losses: list[Loss] = field(default_factory=list[Loss])
    notes: dict[str, int] = field(default_factory=dict[str, int])
    redacted: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, other: Intake) -> None:
        """Add the counts and losses of another part of the reading."""
        self.files_read += other.files_read
        self.files_without_traces += other.files_without_traces
        self.lines_read += other.lines_read
        self.lines_with_losses += other.lines_with_losses
        self.traces_found += other.traces_found
        self.traces_kept += other.traces_kept
        self.repeated += other.repeated
        self.no_messages += other.no_messages
        self.not_selected += other.not_selected
        self.over_limit += other.over_limit
        self.labelled += other.labelled
        self.outcome_rows |= other.outcome_rows
        self.losses += other.losses
        _add_counts(self.notes, other.notes)
        _add_counts(self.redacted, other.redacted)

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
    results = read_each(source, inventory.groups, redactor, options or ReadOptions(), intake)
    return keep_found(results, inventory, selection, intake, redactor, limit)


def read_each(
    source: Source,
    groups: Iterable[Group],
    redactor: Redactor | None,
    options: ReadOptions,
    total: Intake | None = None,
) -> Iterator[tuple[Group, list[Trace], Intake]]:
    """Read group after group, each when it is asked for; counts go to ``total``, without one each group has its own."""
    for group in groups:
        intake = Intake() if total is None else total
        traces = read_group(source, group, intake, redactor=redactor, options=options)
        yield group, traces, intake


def keep_found(
    results: Iterator[tuple[Group, Sequence[Found], Intake]],
    inventory: Inventory,
    selection: Selection,
    intake: Intake,
    redactor: Redactor | None,
    limit: int | None,
) -> Iterator[Found]:
    """Yield what is kept of what was read: each conversation once, selected, under an id of its own.

    The counts of ``results`` are added to ``intake``, if they are not already in it.
    """
    for loss in inventory.rejects:
        loss = dataclasses.replace(loss, path=spell_name(loss.path))
        intake.losses.append(redactor.redact_loss(loss) if redactor else loss)
    seen: dict[str, str] = {}
    for _ in inventory.groups:
        if limit is not None and intake.traces_kept >= limit:
            return
        group, traces, counts = next(results)
        if counts is not intake:
            intake.add(counts)
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
                if trace.redacted:
                    _add_counts(intake.redacted, trace.redacted)
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
    if len(traces) < 2:
        return traces
    unique = list(_drop_repeats(traces, intake))
    return sorted(unique, key=lambda trace: trace.is_sidechain)


def _read_member(
    source: Source, member: Member, intake: Intake, options: ReadOptions, redactor: Redactor | None
) -> list[Trace]:
    path, entry = member.path, member.entry
    name = str(path)
    log = LossLog(path=spell_name(name))
    intake.files_read += member.counts
    traces: list[Trace] = []
    try:
        if entry is None or source.read_entry is None:
            traces.extend(source.read_file(path, log, options))
        else:
            traces.extend(source.read_entry(path, entry, log, options))
    except OSError as error:
        log.drop("unreadable_file", detail=error.strerror or str(error))
    if log.path != name:
        traces = list(map(_spell_trace, traces))
    intake.lines_read += log.lines_read
    if log.losses:
        intake.lines_with_losses += len({loss.line for loss in log.losses if loss.reason not in FILE_REASONS})
    intake.files_without_traces += entry is None and not traces
    if options.outcomes is not None:
        labelled, met = options.outcomes.label_file(traces)
        intake.outcome_rows |= met
        intake.labelled += sum(map(is_not, labelled, traces))
        traces = labelled
    if log.notes:
        _add_counts(intake.notes, log.notes)
    if redactor is None:
        intake.losses.extend(log.losses)
        return traces
    intake.losses.extend(redactor.redact_loss(loss) for loss in log.losses)
    return [redactor.redact_trace(trace) for trace in traces]


def _spell_trace(trace: Trace) -> Trace:
    """A trace whose file has a name that is no text, as ids and paths can come from it."""
    values = ((name, getattr(trace, name)) for name in trace.__struct_fields__)
    texts = {name: spell_name(value) for name, value in values if isinstance(value, str)}
    meta = {key: spell_name(value) if isinstance(value, str) else value for key, value in trace.source_meta.items()}
    return replace(trace, **texts, source_meta=meta)


def _has_messages(trace: Trace, intake: Intake) -> bool:
    for message in trace.messages:
        if message.role != "system":
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
            place = next((place for place, other in enumerate(kept) if is_copy(trace, other)), None)
            if place is None:
                kept.append(trace)
                continue
            longer = kept[place] = fill_from_copy(kept[place], trace)
            intake.repeated += 1
            detail = f"trace {trace.trace_id}: its {len(trace.messages)} messages begin those of {longer.source_path}"
            intake.losses.append(Loss("repeated_session", trace.source_path, detail=detail))
        yield kept[0]
        for trace in kept[1:]:
            yield _add_suffix(trace, intake)


def _make_unique(
    trace: Found, group: Group, root_ids: frozenset[str], seen: dict[str, str], intake: Intake
) -> Found | None:
    """The trace under an id that no other trace of the run has; None where it came before with the same content.

    A guest (a session in a file whose head names another one) gives way to the file of its own session.
    """
    if trace.trace_id == group.root_session_id and trace.trace_id not in seen:
        seen[trace.trace_id] = ""  # a main session: nothing else has its id, but by accident, and then is another one
        return trace
    digest = _get_digest(trace)
    is_guest = trace.root_session_id != group.root_session_id and trace.root_session_id in root_ids
    if is_guest or seen.get(trace.trace_id, digest) != digest:
        trace = _add_suffix(trace, intake)
    if trace.trace_id in seen:
        path = trace.light["source_path"] if isinstance(trace, Packed) else trace.source_path
        detail = f"trace {trace.trace_id} came before, in another file"
        intake.losses.append(Loss("repeated_session", path, detail=detail))
        return None
    seen[trace.trace_id] = digest
    return trace


def _add_suffix(trace: Found, intake: Intake) -> Found:
    intake.notes["id_conflict"] = intake.notes.get("id_conflict", 0) + 1
    new_id = f"{trace.trace_id}~{_get_digest(trace)}"
    if isinstance(trace, Packed):
        return rename_packed(trace, new_id)
    return replace(trace, trace_id=new_id)


def _get_digest(trace: Trace | Packed) -> str:
    return trace.digest if isinstance(trace, Packed) else hash_content(trace)


def _is_asked_for(trace: Trace | Packed, wanted: frozenset[str]) -> bool:
    return trace.trace_id in wanted or trace.root_session_id in wanted


def _add_counts(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
