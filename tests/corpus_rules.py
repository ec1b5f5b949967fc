"""The rules of reading as the raw files of the corpus show them:
``python -m tests.corpus_rules CORPUS_DIR`` writes ``corpus_rules.tsv``, a row a trace, and
``corpus_rules_contexts.tsv``, a row for each step of the traces that hold a compaction: what the model saw.

Nothing of the readers is used here, and no cell is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.corpus_rules_claude import read_claude
from tests.corpus_rules_codex import read_codex
from tests.corpus_rules_model import COLUMNS, Conversation
from tests.corpus_rules_sessions import read_atif, read_hermes, read_pi

READERS = {"atif": read_atif, "claude_code": read_claude, "codex": read_codex, "hermes": read_hermes, "pi": read_pi}


def read_all(corpus: Path) -> Iterator[tuple[str, Conversation]]:
    for name, read in READERS.items():
        for path in sorted(filter(Path.is_file, (corpus / name).rglob("*")), key=Path.as_posix):
            for talk in read(path):
                yield path.relative_to(corpus).as_posix(), talk


def write_table(name: str, rows: list[list[str]]) -> None:
    text = "".join("\t".join(row) + "\n" for row in rows)
    Path(__file__).with_name(name).write_text(text, encoding="utf-8")


def main(corpus: Path) -> None:
    rules = [["file", "trace_id", *COLUMNS]]
    contexts = [["file", "trace_id", "step", "kinds", "chars"]]
    for file, talk in read_all(corpus):
        rules.append([file, talk.trace_id, *talk.describe().values()])
        if any(said.kind == "c" for said in talk.said):
            steps = enumerate(talk.describe_steps(), start=1)
            contexts += [[file, talk.trace_id, str(number), *step] for number, step in steps]
    write_table("corpus_rules.tsv", rules)
    write_table("corpus_rules_contexts.tsv", contexts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
