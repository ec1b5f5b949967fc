"""The first stage of a run: traces into the store, with the account of what was read and lost."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from tracemill.errors import InputError
from tracemill.ingest import get_source, store_inventory
from tracemill.ingest.inventory import Inventory, Partition, Selection, locate_files, take_inventory
from tracemill.ingest.outcomes import load_outcomes
from tracemill.ingest.source import Loss, ReadOptions
from tracemill.ingest.store import TraceStore
from tracemill.redact import Redactor
from tracemill.redact.finding import begin_gate
from tracemill.run.options import Options

_LOSSES = "losses.jsonl"
_COUNTS = "reading.json"
#: Reasons whose details are words of a reader or of the system, not of a trace.
_TELLING = ("unreadable_file",)


@dataclass(frozen=True, slots=True)
class Reading:
    """A store and its account. ``counts`` are plain numbers and reason counts, as they go into ``run.json``."""

    store: TraceStore
    counts: dict[str, Any]
    losses: tuple[Loss, ...]

    @property
    def trace_ids(self) -> list[str]:
        """The ids of the traces taken, in reading order."""
        return self.store.trace_ids


def build_selection(options: Options) -> Selection:
    """What the flags select."""
    partition = None
    if options.partition_index is not None and options.num_partitions is not None:
        partition = Partition(options.partition_index, options.num_partitions)
    return Selection(
        trace_ids=frozenset(options.select),
        since=options.since,
        partition=partition,
        shuffle_seed=options.seed if options.shuffle else None,
    )


def list_inputs(options: Options) -> Inventory:
    """The inventory of what the flags select.

    Raises:
        InputError: nothing to read.
    """
    source = get_source(options.format)
    root, files = locate_files(source, options.trace_dir)
    if not options.no_redact:
        begin_gate()
    return take_inventory(source, root, files, build_selection(options))


def build_redactor(options: Options) -> Redactor | None:
    """What the flags say of redaction; None where it is switched off.

    Raises:
        ConfigError: the file of further rules cannot be used.
    """
    if options.no_redact:
        return None
    if options.redact_extra is None:
        return Redactor()
    from tracemill.redact import load_rules

    return Redactor(load_rules(Path(options.redact_extra).expanduser()))


def read_traces(
    options: Options, inventory: Inventory, folder: Path, meanwhile: Callable[[], None] | None = None
) -> Reading:
    """Read what the flags select into a store at ``folder``; the account is kept beside it for a resumed run.

    ``meanwhile`` may be called while other processes read, see ``store_inventory``.

    Raises:
        InputError: there is no trace to take. ConfigError: as ``build_redactor``. OSError: the store cannot be written.
    """
    redactor = build_redactor(options)
    read_options = ReadOptions(
        max_line_bytes=options.max_line_bytes,
        branches=options.branches,
        by=options.by,
        outcomes=None if options.outcomes is None else load_outcomes(Path(options.outcomes).expanduser()),
    )
    gc.freeze()  # what is imported by now stays: a collection while traces are read would walk through all of it
    shutil.rmtree(folder, ignore_errors=True)
    result = store_inventory(
        get_source(options.format),
        inventory,
        build_selection(options),
        folder,
        limit=options.num_records,
        options=read_options,
        redactor=redactor,
        workers=options.workers,
        meanwhile=meanwhile,
    )
    counts = _count(result.inventory, asdict(result.intake))
    if read_options.outcomes is not None:
        counts["outcomes"] = read_options.outcomes.count_rows(result.intake.outcome_rows)
    losses = tuple(result.intake.losses)
    with (folder / _LOSSES).open("wb") as file:
        file.writelines(msgspec.json.encode(loss) + b"\n" for loss in losses)
    (folder / _COUNTS).write_text(json.dumps(counts))
    if len(result.store) == 0:
        _explain_nothing(options, result.inventory, counts, losses)
    return Reading(result.store, counts, losses)


def reopen(folder: Path) -> Reading | None:
    """The reading of a run that stopped, or None where it did not get that far."""
    if not (folder / _COUNTS).is_file():
        return None
    lines = (folder / _LOSSES).read_bytes().splitlines()
    losses = tuple(msgspec.json.decode(line, type=Loss) for line in lines)
    return Reading(TraceStore(folder), json.loads((folder / _COUNTS).read_text()), losses)


def explain_outcomes(options: Options, counts: Mapping[str, Any]) -> str | None:
    """A line where rows of outcomes name no trace that was read, or wait for their verdict."""
    if options.outcomes is None or "outcomes" not in counts:
        return None
    told, parts = counts["outcomes"], list[str]()
    if told["unmatched"] and told["unmatched"] == told["rows"]:
        parts.append(
            "none of its rows names a trace that was read (a row with an id and a path needs both to be right)"
        )
    elif told["unmatched"]:
        parts.append(
            f"{told['unmatched']} of {told['rows']} rows name no trace that was read; "
            f"the first is row {told['first_unmatched']}"
        )
    if told["blank"]:
        parts.append(f"rows without success, reward and task_id: {told['blank']}")
    return f"--outcomes {options.outcomes}: {'; '.join(parts)}" if parts else None


def explain_fewer(options: Options, found: int) -> str | None:
    """``only 7 traces: …`` where more were asked for than there are."""
    if options.num_records is None or found >= options.num_records:
        return None
    return f"only {found} traces: --num-records {options.num_records} asked for more than there are"


def _count(inventory: Inventory, intake: Mapping[str, Any]) -> dict[str, Any]:
    lost: dict[str, int] = {}
    for loss in intake["losses"]:
        lost[loss["reason"]] = lost.get(loss["reason"], 0) + 1
    files = {
        "files_found": inventory.files_in,
        "files_read": intake["files_read"],
        "files_without_traces": intake["files_without_traces"],
        "files_rejected": len(inventory.rejects),
        "files_not_selected": inventory.files_left_out,
        "files_not_needed": inventory.files_in
        - intake["files_read"]
        - len(inventory.rejects)
        - inventory.files_left_out,
    }
    traces = {
        name: intake[name]
        for name in ("traces_found", "traces_kept", "repeated", "no_messages", "not_selected", "over_limit", "labelled")
    }
    return {**files, "lines_read": intake["lines_read"],
            "lines_with_losses": intake["lines_with_losses"], **traces, "lost": dict(sorted(lost.items())),
            "notes": dict(sorted(intake["notes"].items())),
            "redacted": dict(sorted(intake["redacted"].items()))}  # fmt: skip


def _explain_nothing(options: Options, inventory: Inventory, counts: Mapping[str, Any], losses: Sequence[Loss]) -> None:
    """An empty partition is an empty dataset; anything else that leaves no trace is the user's to mend."""
    if options.num_partitions is not None and inventory.files_left_out > 0:
        return
    title = get_source(options.format).title
    if options.select:
        raise InputError(f"{inventory.root}: no {title} session with id {', '.join(options.select)}")
    if options.since is not None and inventory.files_left_out > 0:
        raise InputError(f"{inventory.root}: no {title} session started since {options.since.isoformat()}")
    lost = ", ".join(f"{count} {reason}" for reason, count in counts["lost"].items()) or "none had messages"
    told = (" ".join([f"{Path(loss.path).name}:", *loss.detail.split()]) for loss in losses if loss.reason in _TELLING)
    why = next((f"; {text}" for text in told), "")
    raise InputError(
        f"{inventory.root}: no {title} session in {inventory.files_in} files ({lost}{why}); "
        f"is --format {options.format} right?"
    )
