"""Bytes → ``Trace``: one folder a source, and the tuple of all of them.

To add a format, write a folder that gives ``SOURCE`` (see ``tracemill.ingest.source.Source``) and enter it here:
flags, help, defaults and the README's table follow from this tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracemill.errors import ConfigError
from tracemill.ingest import (
    agentscope_studio,
    atif,
    auto,
    claude_code,
    codex,
    hermes_agent,
    mini_swe_agent,
    miroflow,
    nemo_gym,
    openai_chat,
    openhands,
    otel,
    pi_coding_agent,
    step_log,
    swe_agent,
)
from tracemill.ingest.source import REASONS, Loss, ReadOptions, Source

if TYPE_CHECKING:
    from tracemill.ingest.collect import Intake
    from tracemill.ingest.inventory import Inventory, Selection
    from tracemill.ingest.store import TraceStore
    from tracemill.redact import Redactor

__all__ = [
    "FORMAT_NAMES",
    "REASONS",
    "SOURCES",
    "Loss",
    "ReadResult",
    "get_source",
    "read_into_store",
    "store_inventory",
]

SOURCES: tuple[Source, ...] = (
    claude_code.SOURCE,
    codex.SOURCE,
    atif.SOURCE,
    hermes_agent.SOURCE,
    pi_coding_agent.SOURCE,
    agentscope_studio.SOURCE,
    step_log.SOURCE,
    miroflow.SOURCE,
    nemo_gym.SOURCE,
    swe_agent.SOURCE,
    mini_swe_agent.SOURCE,
    openhands.SOURCE,
    openai_chat.SOURCE,
    otel.SOURCE,
)

#: All of them at once. Hermes and chat rows bear the fewest marks of their own and come last.
_AUTO = auto.build_source(
    [*(source for source in SOURCES if source not in (hermes_agent.SOURCE, openai_chat.SOURCE)),
     openai_chat.SOURCE, hermes_agent.SOURCE]
)  # fmt: skip

FORMAT_NAMES: tuple[str, ...] = (*(source.name for source in SOURCES), auto.NAME)


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A store that was just written, and the account of how."""

    store: TraceStore
    intake: Intake
    inventory: Inventory


def get_source(name: str) -> Source:
    """The source of a format.

    Raises:
        ConfigError: there is none of this name.
    """
    for source in (*SOURCES, _AUTO):
        if source.name == name:
            return source
    raise ConfigError(f"--format {name}: unknown; known are {', '.join(FORMAT_NAMES)}")


def read_into_store(
    format_name: str,
    path: str | None,
    folder: Path,
    *,
    file_pattern: str = "*",
    recursive: bool = True,
    workers: int = 1,
) -> ReadResult:
    """Read all traces under ``path``, redact them and write them to a store in ``folder``.

    ``workers``: how many processes may read, where there is much to read.

    Raises:
        InputError: the path does not exist or holds no session of this format.
        OSError: the store cannot be written.
    """
    from tracemill.ingest.inventory import Selection, locate_files, take_inventory
    from tracemill.redact import Redactor
    from tracemill.redact.finding import begin_gate

    source = get_source(format_name)
    root, files = locate_files(source, path, None if file_pattern == "*" else file_pattern, recursive=recursive)
    begin_gate()
    inventory = take_inventory(source, root, files, Selection())
    return store_inventory(source, inventory, Selection(), folder, redactor=Redactor(), workers=workers)


def store_inventory(
    source: Source,
    inventory: Inventory,
    selection: Selection,
    folder: Path,
    *,
    limit: int | None = None,
    options: ReadOptions | None = None,
    redactor: Redactor | None,
    workers: int = 1,
    meanwhile: Callable[[], None] | None = None,
) -> ReadResult:
    """Read the traces of an inventory (at most ``limit``), redact them and write them to a store in ``folder``.

    ``redactor`` None leaves everything as it was. ``workers``: how many processes may read, where there is much to
    read and no ``limit``; then ``meanwhile`` is called while they do.

    Raises:
        InputError: a reading process died. OSError: the store cannot be written.
    """
    from tracemill.ingest.collect import Intake, keep_found
    from tracemill.ingest.parallel import LEAST_BYTES, measure_bytes, pack_each, pack_in_parallel
    from tracemill.ingest.store import write_store

    intake, options = Intake(), options or ReadOptions()
    groups = inventory.groups
    if workers > 1 and limit is None and len(groups) > 1 and measure_bytes(groups) >= LEAST_BYTES:
        # of a few traces asked for by id, only these belong on disk: then each comes with its bytes
        shards = None if selection.trace_ids else folder
        results = pack_in_parallel(
            source, groups, redactor, options, workers=workers, folder=shards, meanwhile=meanwhile
        )
    else:
        results = pack_each(source, groups, redactor, options)
    with closing(results):
        store = write_store(folder, keep_found(results, inventory, selection, intake, redactor, limit))
    intake.check()
    return ReadResult(store, intake, inventory)
