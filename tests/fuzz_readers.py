"""Coverage-guided fuzzing of the readers, by hand: no part of the test command.

    uv run --with atheris tests/fuzz_readers.py codex --seconds 600

Starts from the examples and, where ``TRACEMILL_CORPUS`` names a folder, from the real files of the format. Whatever the
bytes: a reader raises nothing, and every trace that it gives can be stored and fetched again, redacted and shown.
An input that breaks this is written to ``--keep`` and ends the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["tracemill.ingest", "tracemill.view"]):
    from tracemill.ingest import get_source
    from tracemill.ingest.packed import decode_trace, pack_trace
    from tracemill.ingest.source import LossLog, ReadOptions, Source
    from tracemill.redact import Redactor
    from tracemill.view import render_view

#: Folders of the corpus, and the names under which bytes are given to a reader; one of them by the first byte.
FOLDERS = {"hermes_agent": "hermes", "pi_coding_agent": "pi", "swe_agent": "sweagent", "mini_swe_agent": "miniswe",
           "nemo_gym": "rlvr"}  # fmt: skip
NAMES = {
    "claude_code": ("s1.jsonl", "agent-a1.jsonl"),
    "codex": ("rollout-2026-01-05T10-00-00-0197f1a0-0000-7000-8000-000000000001.jsonl",),
    "atif": ("trajectory.json",),
    "hermes_agent": ("session_s1.json", "state.db", "20260105_100000_abc123.jsonl", "export.jsonl"),
    "pi_coding_agent": ("2026-01-05T10-00-00-000Z_s1.jsonl",),
    "agentscope_studio": ("database.sqlite",),
    "step_log": ("run.jsonl",),
    "miroflow": ("task_1_attempt-1.json",),
    "nemo_gym": ("rollouts.jsonl",),
    "swe_agent": ("task-1.traj",),
    "mini_swe_agent": ("task-1.traj.json",),
    "openhands": ("events.jsonl", "trajectory.json", "output.jsonl"),
    "openai_chat": ("chat.jsonl", "chat.parquet"),
    "otel": ("traces.jsonl", "traces.json"),
}
MAX_SEED_BYTES = 48 * 1024


def list_seeds(name: str) -> Iterator[bytes]:
    """The heads of real files, of text in whole lines, each with a byte before it that chooses a name."""
    folders = [ROOT / "examples" / name]
    if corpus := os.environ.get("TRACEMILL_CORPUS"):
        folders.append(Path(corpus) / FOLDERS.get(name, name))
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            data = path.read_bytes()
            is_text = path.suffix in (".jsonl", ".json")
            if len(data) > MAX_SEED_BYTES:
                data = data[: data.rfind(b"\n", 0, MAX_SEED_BYTES) + 1] if is_text else data[:MAX_SEED_BYTES]
            kinds = [number for number, known in enumerate(NAMES[name]) if known.endswith(path.suffix)]
            yield bytes([kinds[0] if kinds else 0]) + data


def build_target(source: Source, folder: Path) -> Callable[[bytes], None]:
    """What is run on every input."""
    names, redactor = NAMES[source.name], Redactor()

    def run(data: bytes) -> None:
        if not data:
            return
        path = folder / names[data[0] % len(names)]
        path.write_bytes(data[1:])
        with suppress(OSError):  # a database or a table that is damaged, or cut
            source.read_head(path)
        entries = source.list_entries(path)
        for entry in entries or (None,):
            log = LossLog(path=str(path))
            if entry is None or source.read_entry is None:
                traces = list(source.read_file(path, log, ReadOptions(branches=bool(data[0] & 64))))
            else:
                traces = list(source.read_entry(path, entry, log, ReadOptions()))
            for trace in traces:
                packed = pack_trace(trace)
                assert decode_trace(packed.encoded) == trace
                assert len(render_view(redactor.redact_trace(trace), 4000).text) <= 4000
                for _ in trace.contexts():
                    pass
        path.unlink()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=sorted(NAMES))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "tracemill-fuzz")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tracemill-fuzz-") as name:
        seeds, work = Path(name) / "seeds", Path(name) / "work"
        seeds.mkdir()
        work.mkdir()
        for number, seed in enumerate(list_seeds(options.format)):
            (seeds / f"{number:04d}").write_bytes(seed)
        flags = [f"-max_total_time={options.seconds}", f"-max_len={MAX_SEED_BYTES + 1}", "-timeout=30"]
        flags += ["-rss_limit_mb=4096", f"-artifact_prefix={options.keep}/{options.format}-", str(seeds)]
        atheris.Setup([sys.argv[0], *flags], build_target(get_source(options.format), work))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
