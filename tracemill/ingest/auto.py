"""Files of any known format: each is recognised by its content, and read by its own source.

A file is offered to the sources in order, those first whose files bear the clearest marks; the first whose
``read_head`` knows it reads it. What none knows is counted as ``foreign_file``, but for companions: files that a
source reads beside its traces (a verdict, an index), or that its producer writes beside them. A companion is told by
its name, where the name says little also by its keys, and by a trace of its source that lies where its producer would
put it: without one it is as foreign as any other file.

Source: of the names, each source's own documents, and harbor's ``models/trial/paths.py``, SWE-agent's and
mini-swe-agent's batch runs, OpenHands' ``storage/locations.py`` and evaluation harness, NeMo Gym's rollout collection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from tracemill.ingest.document_head import read_leading_fields
from tracemill.ingest.raw_files import check_regular
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.trace import Trace

NAME = "auto"
#: What sources say of a row of another kind, in files whose rows are traces of their own.
_STRANGER = "a row that holds no trace"


@dataclass(frozen=True, slots=True)
class _Companion:
    """Files beside traces: their ``names`` (shell patterns), and where the traces lie.

    That is the folder ``up`` levels above the file's own, and ``down`` levels below that one. ``keys``: the file is a
    JSON object that has one of them; ``folder``: the name of the file's own folder, or of the one above it.
    """

    sources: tuple[str, ...]
    names: tuple[str, ...]
    keys: tuple[str, ...] = ()
    up: int = 0
    down: int = 0
    folder: str | None = None

    def is_named(self, path: Path) -> bool:
        """Whether a file is named, and its folder, as these are."""
        pattern = _compile(self.names)
        return pattern.fullmatch(path.name) is not None and (self.folder in (None, *path.parts[-3:-1]))


@dataclass(frozen=True, slots=True)
class _Twin:
    """Files that have the name of a trace's file, but for the ``endings``; ``trace`` is what that one ends in."""

    sources: tuple[str, ...]
    endings: tuple[str, ...]
    trace: str = ""


_HARBOR = ("atif", "claude_code", "codex", "mini_swe_agent", "openhands", "swe_agent")
_COMPANIONS: tuple[_Companion, ...] = (
    _Companion(_HARBOR, ("result.json",), ("task_name", "trial_name", "n_total_trials"), down=4),
    _Companion(_HARBOR, ("config.json",), ("task", "trial_name", "job_name", "datasets"), down=4),
    _Companion(_HARBOR, ("trial.log", "job.log", "exception.txt"), down=4),
    _Companion(_HARBOR, ("reward.*", "test-std*.txt", "ctrf.json"), up=1, down=3, folder="verifier"),
    _Companion(("claude_code",), ("sessions-index.json",), down=2),
    _Companion(("claude_code",), ("history.jsonl",), ("display",), down=2),
    _Companion(("claude_code",), ("journal.jsonl",)),
    _Companion(("claude_code",), ("*",), up=2, folder="tool-results"),
    _Companion(("codex",), ("history.jsonl", "session_index.jsonl"), ("session_id", "thread_name"), down=4),
    _Companion(("hermes_agent",), ("sessions.json", "request_dump_*.json")),
    _Companion(("step_log",), ("report.json",), ("results",), down=1),
    _Companion(("miroflow",), ("benchmark_results.jsonl",), ("attempts", "task_id"), down=1),
    _Companion(("miroflow",), ("benchmark_results_*accuracy.txt",), down=1),
    _Companion(("miroflow",), ("task_root_attempt_0*.json", "log_root.json")),
    _Companion(("swe_agent",), ("preds.json", "run_batch*.yaml", "run_batch.*.log"), down=1),
    _Companion(("mini_swe_agent",), ("preds.json", "exit_statuses_*.yaml", "minisweagent.log"), down=1),
    _Companion(("openhands",), ("metadata.json",), ("conversation_id", "agent_class", "llm_config", "llm"), down=1),
    _Companion(("openhands",), ("meta.json",), ("created_by_user_id", "sandbox_id")),
    _Companion(("openhands",), ("init.json", "llm_registry.json", "exp_config.json"), down=1),
    _Companion(("openhands",), ("agent_state.pkl", "conversation_stats.pkl"), down=1),
    _Companion(("openhands",), ("report.json",), ("resolved_ids", "resolved", "submitted_ids")),
    _Companion(("openhands",), ("TASKS.json", "cost_report.jsonl")),
    _Companion(("openhands",), ("meta.json",), ("initial_message", "created_at", "forked_from_conversation_id")),
    _Companion(("openhands",), (".eventlog.lock", ".eventlog-len-*.marker"), up=1),
    _Companion(("openhands",), ("*",), up=1, down=2, folder="bash_events"),
    _Companion(("openhands",), ("*.json",), up=2, folder="llm_completions"),
    _Companion(("openhands",), ("instance_*.log",), up=1),
)
_TWINS: tuple[_Twin, ...] = (
    _Twin(("agentscope_studio", "hermes_agent"), ("-wal", "-shm", "-journal")),
    _Twin(("claude_code",), (".meta.json",), ".jsonl"),
    _Twin(("nemo_gym",), ("_materialized_inputs.jsonl", "_aggregate_metrics.json", "_metrics.json"), ".jsonl"),
    _Twin(("nemo_gym",), ("_reward_profiling.jsonl", "_agent_metrics.json"), ".jsonl"),
    _Twin(("swe_agent",), (".trace.log", ".debug.log", ".info.log", ".config.yaml", ".pred", ".patch"), ".traj"),
    _Twin(("openhands",), (".swebench_eval.jsonl", ".swebench_eval.md", ".swebench.jsonl", ".report.json"), ".jsonl"),
)


@lru_cache
def _compile(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, names)))


def build_source(sources: Sequence[Source]) -> Source:
    """The source that stands for all of ``sources``."""
    known = _Known(sources)
    return Source(
        name=NAME,
        title="known",
        default_dir=None,
        file_pattern="*",
        is_session_file=known.is_session_file,
        read_head=known.read_head,
        read_file=known.read_file,
        fetch_folder=known.fetch_folder,
        list_entries=known.list_entries,
        read_entry=known.read_entry,
    )


class _Known:
    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = {source.name: source for source in sources}
        self._find = lru_cache(maxsize=65_536)(self._recognise)
        # a folder may hold thousands of companions, all of the same traces
        self._has_trace = lru_cache(maxsize=65_536)(self._look_for_trace)

    def _recognise(self, path: Path) -> tuple[Source, Head] | None:
        check_regular(path)
        for source in self._sources.values():
            if source.is_session_file(path) and (head := source.read_head(path)) is not None:
                return source, head
        return None

    def fetch_folder(self, named: str) -> Path | None:
        """As the first source gives it that knows such a name."""
        folders = (source.fetch_folder(named) for source in self._sources.values())
        return next((folder for folder in folders if folder is not None), None)

    def is_session_file(self, path: Path) -> bool:
        """Whether a file stands for itself: no companion, nor one of the many files of a session but the first."""
        for source in self._sources.values():
            owner = source.find_owner(path)
            if owner is not None and self._is_of(owner, (source.name,)):
                return False
        return not self._is_companion(path)

    def _is_companion(self, path: Path) -> bool:
        """Whether a file is no session and lies beside one to which it belongs; what cannot be read is none."""
        try:
            return any(self._is_twin(path, twin) for twin in _TWINS) or any(
                companion.is_named(path)
                and self._find(path) is None
                and (not companion.keys or not read_leading_fields(path)[0].keys().isdisjoint(companion.keys))
                and self._has_trace(
                    path.parents[min(companion.up, len(path.parents) - 1)],
                    companion,
                    None if companion.folder else path.name,
                )
                for companion in _COMPANIONS
            )
        except OSError:
            return False

    def _is_twin(self, path: Path, twin: _Twin) -> bool:
        ending = next((ending for ending in twin.endings if path.name.endswith(ending)), None)
        if ending is None or path.name == ending:
            return False
        other = path.with_name(path.name.removesuffix(ending) + twin.trace)
        return self._find(path) is None and self._is_of(other, twin.sources)

    def _look_for_trace(self, top: Path, companion: _Companion, but: str | None) -> bool:
        """Whether a trace lies where the companion's traces do, named otherwise than ``but``."""
        for folder, folders, names in os.walk(top):
            if any(self._is_of(Path(folder, name), companion.sources) for name in sorted(names) if name != but):
                return True
            if len(Path(folder).parts) - len(top.parts) >= companion.down:
                folders.clear()
        return False

    def _is_of(self, path: Path, names: Sequence[str]) -> bool:
        try:
            found = self._find(path)
        except OSError:
            return False
        return found is not None and found[0].name in names

    def read_head(self, path: Path) -> Head | None:
        """As the file's own source gives it."""
        found = self._find(path)
        return None if found is None else found[1]

    def read_file(self, path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
        """The traces of a file, by its own source."""
        found = self._find(path)
        if found is None:
            log.drop("foreign_file", detail="of no known format")
            return
        yield from found[0].read_file(path, log, options)
        _advise(log, found[0].name)

    def list_entries(self, path: Path) -> tuple[Entry, ...] | None:
        """The entries of a file, their keys with the name of its source."""
        found = self._find(path)
        entries = None if found is None else found[0].list_entries(path)
        if found is None or entries is None or found[0].read_entry is None:
            return None
        return tuple(Entry((found[0].name, entry.key), entry.head) for entry in entries)

    def read_entry(self, path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
        """The traces of an entry, by the source that its key names."""
        name, key = entry.key
        read = self._sources[name].read_entry
        if read is not None:
            yield from read(path, Entry(key, entry.head), log, options)
            _advise(log, name)


def _advise(log: LossLog, name: str) -> None:
    """Say of rows of another kind than their file why they are lost: a file is read by one source."""
    if any(loss.detail == _STRANGER for loss in log.losses):
        told = f"{_STRANGER} of {name}, as which the file is read: name the format with --format, or split the file"
        log.losses[:] = [replace(loss, detail=told) if loss.detail == _STRANGER else loss for loss in log.losses]
