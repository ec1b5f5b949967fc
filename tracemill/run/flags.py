"""The flags of a recipe: names, values, defaults and help. What combinations make no sense is said in ``options``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any, NoReturn

from tracemill.errors import ConfigError
from tracemill.export.example import REASONING_WAYS
from tracemill.export.registry import CHOICES
from tracemill.ingest import FORMAT_NAMES
from tracemill.ingest.auto import NAME as AUTO
from tracemill.ingest.parallel import count_cores
from tracemill.ingest.source import DEFAULT_MAX_LINE_BYTES
from tracemill.select.duplicates import DEFAULT_SIMILARITY
from tracemill.select.split import DEFAULT_EVAL_SHARE, SPLIT_BY

DEFAULT_ALIAS = "nvidia-super"
DEFAULT_NUM_RECORDS = 5

#: Flags that say something to some formats alone, with what they are about.
_FORMATS_OF: dict[str, tuple[tuple[str, ...], str]] = {
    "--by": (("agentscope_studio",), "says what a trace of a database of replies and runs is"),
    "--db": (("agentscope_studio", "hermes_agent"), "names a database (--trace-dir names any file or folder)"),
    "--branches": (("claude_code", "pi_coding_agent"), "takes abandoned branches, which only some formats keep"),
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors are.

    Raises:
        ConfigError: a flag or value that it does not know, or a flag that means nothing to the format.
    """

    def parse_args(  # pyright: ignore[reportIncompatibleMethodOverride]  # one form for what is two overloads there
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> argparse.Namespace:
        """As every parser does; what is given is held against the format."""
        given = list(sys.argv[1:] if args is None else args)
        values: argparse.Namespace = super().parse_args(given, namespace)
        _check_format(getattr(values, "format", None), {item.partition("=")[0] for item in given})
        return values

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def build_parser(recipe: str) -> argparse.ArgumentParser:
    """The parser of a recipe's flags."""
    parser = Parser(
        prog=f"recipe.py {recipe}",
        description="Turn agent traces into training data.",
        epilog="Other commands: `recipe.py inspect`, `merge NAME`, `audit FILE --template FILE`, `push FOLDER "
        "OWNER/NAME`, `--list-formats`, `--list-models`.",
        allow_abbrev=False,
    )
    _add_input(parser.add_argument_group("traces"))
    _add_output(parser.add_argument_group("run"))
    _add_model(parser.add_argument_group("models"))
    _add_rules(parser.add_argument_group("rules"))
    _add_selection(parser.add_argument_group("selection", "which of the recommended rows stay, in this order"))
    _add_export(parser.add_argument_group("export"))
    _add_redaction(parser.add_argument_group("redaction"))
    _add_limits(parser.add_argument_group("limits"))
    return parser


_Group = argparse._ArgumentGroup  # pyright: ignore[reportPrivateUsage]


def _add_input(group: _Group) -> None:
    group.add_argument("--format", required=True, choices=FORMAT_NAMES, help="trace format")
    group.add_argument(
        "--trace-dir",
        "--db",
        help="folder or file of traces (default: where the agent writes them), "
        "or for chat datasets hf://datasets/OWNER/NAME; --db for a database (agentscope_studio, hermes_agent)",
    )
    group.add_argument("--num-records", type=_parse_count, default=DEFAULT_NUM_RECORDS, metavar="N|all",
                       help="how many traces to take (default: %(default)s)")  # fmt: skip
    group.add_argument("--select", type=_split, default=(), metavar="ID,...", help="only these trace or session ids")
    group.add_argument("--since", type=_parse_date, metavar="YYYY-MM-DD", help="only sessions started since that day")
    group.add_argument("--shuffle", action="store_true", help="take sessions in random order")
    group.add_argument(
        "--seed", type=_parse_whole, default=0, help="seed of --shuffle, caps and splits (default: %(default)s)"
    )
    group.add_argument(
        "--partition-index", type=_parse_natural, metavar="I", help="this part, from 0; with --num-partitions"
    )
    group.add_argument("--num-partitions", type=_parse_positive, metavar="N",
                       help="number of parts that sessions are split into")  # fmt: skip
    group.add_argument("--branches", action="store_true",
                       help="claude_code, pi_coding_agent: take abandoned branches of a conversation as traces of "
                       "their own")  # fmt: skip
    group.add_argument("--by", choices=("reply", "run"), default="reply",
                       help="agentscope_studio: one trace a reply, or one for each agent memory of a run (default: "
                       "%(default)s)")  # fmt: skip
    group.add_argument("--outcomes", metavar="FILE", help="JSON lines or CSV that give success, reward, task_id of "
                       "traces, by trace_id or path; a row with both means the trace that meets both")  # fmt: skip
    group.add_argument("--workers", type=_parse_positive, default=count_cores(), metavar="N",
                       help="processes that read many traces (default: the cores, %(default)s)")  # fmt: skip
    group.add_argument("--max-line-bytes", type=_parse_positive, default=DEFAULT_MAX_LINE_BYTES, metavar="N",
                       help="drop longer lines (default: %(default)s)")  # fmt: skip


def _add_output(group: _Group) -> None:
    group.add_argument("--preview", action="store_true", help="run in memory and show a record; writes nothing")
    group.add_argument("--artifact-path", default="artifacts", metavar="DIR",
                       help="where datasets are written (default: %(default)s)")  # fmt: skip
    group.add_argument("--dataset-name", metavar="NAME", help="folder of the dataset (default: <recipe>-<format>)")
    group.add_argument("--resume", action="store_true", help="go on with a run that stopped")
    group.add_argument("--estimate", action="store_true", help="say what a run would take; calls no model")


def _add_model(group: _Group) -> None:
    group.add_argument("--offline", action="store_true",
                       help="no model, no network: an extractive baseline fills the model columns")  # fmt: skip
    group.add_argument("--model-alias", default=DEFAULT_ALIAS, metavar="ALIAS",
                       help="model that writes: an alias, see --list-models (default: %(default)s)")  # fmt: skip
    group.add_argument("--judge-model-alias", metavar="ALIAS", help="model that judges (default: the one that writes)")
    group.add_argument("--provider", help="nvidia, openai, anthropic, openrouter, ollama or vllm")
    group.add_argument("--model", help="model name at the provider, instead of an alias")
    group.add_argument("--endpoint", metavar="URL", help="any OpenAI-compatible endpoint")
    group.add_argument("--max-parallel-requests", type=_parse_positive, default=4, metavar="N",
                       help="requests at a time (default: %(default)s)")  # fmt: skip
    group.add_argument("--timeout", type=_parse_positive, default=120, metavar="S",
                       help="seconds to wait for one answer (default: %(default)s)")  # fmt: skip
    group.add_argument("--patience", type=_parse_amount, default=300.0, metavar="S",
                       help="seconds over which passing faults are tried again (default: %(default)g)")  # fmt: skip


def _add_rules(group: _Group) -> None:
    group.add_argument("--min-score", type=_parse_whole, choices=range(5), default=4, metavar="0-4",
                       help="lowest score on every dimension of a recommended row (default: %(default)s)")  # fmt: skip
    group.add_argument("--view-chars", type=_parse_positive, default=24_000, metavar="N",
                       help="characters of a trace that a prompt shows (default: %(default)s)")  # fmt: skip
    group.add_argument("--keep-view", action="store_true", help="keep what the prompt showed as column trace_view")
    group.add_argument("--accept-heuristic", action="store_true",
                       help="let rows that --offline recommends into sft.jsonl")  # fmt: skip


def _add_selection(group: _Group) -> None:
    group.add_argument("--where", metavar="EXPR", help="keep only rows of which this is true, such as "
                       "'failed_call_share < 0.3 and loops == 0'")  # fmt: skip
    group.add_argument("--against", nargs="+", default=(), metavar="FILE",
                       help="drop rows that share 13 words in a row, the task or the commit with these files of "
                       "benchmarks (.jsonl, .jsonl.gz, .json, .csv, .parquet)")  # fmt: skip
    group.add_argument(
        "--drop-duplicates",
        action="store_true",
        help="of rows whose goal and response are nearly the same, keep the one with the best scores",
    )
    group.add_argument("--similarity", type=_parse_price, metavar="S",
                       help=f"least Jaccard similarity of near duplicates (default: {DEFAULT_SIMILARITY})")  # fmt: skip
    group.add_argument("--max-per-task", type=_parse_positive, metavar="N", help="at most N rows of one task")
    group.add_argument("--max-per-project", type=_parse_positive, metavar="N", help="at most N rows of one project")
    group.add_argument("--split", choices=SPLIT_BY, help="hold rows back for evaluation: whole tasks, projects or "
                       "sessions, with their near duplicates")  # fmt: skip
    group.add_argument(
        "--eval-share",
        type=_parse_price,
        metavar="S",
        help=f"share of the tasks, projects or sessions held back (default: {DEFAULT_EVAL_SHARE})",
    )
    group.add_argument(
        "--eval-tasks",
        metavar="FILE",
        help="hold back just the tasks of this file, an id a line (eval_tasks.txt of an earlier split)",
    )


def _add_export(group: _Group) -> None:
    group.add_argument("--export", nargs="+", default=(), metavar="NAME[:SHAPE]",
                       help=f"also write the kept rows into exports/, as {', '.join(CHOICES)} (preference: for recipes "
                       "that make pairs)")  # fmt: skip
    group.add_argument("--reasoning", choices=REASONING_WAYS, default="keep",
                       help="reasoning of exported messages: kept in its field where the shape has one, put before the "
                       "text in <think> tags, or left out (default: %(default)s)")  # fmt: skip
    group.add_argument("--push-to-hub", metavar="OWNER/NAME",
                       help="upload the finished dataset to a private repository of the Hugging Face Hub: card, "
                       "sft.jsonl, sft_eval.jsonl, exports/")  # fmt: skip
    group.add_argument("--push-public", action="store_true", help="make that repository a public one")
    group.add_argument("--push-unredacted", action="store_true", help="with --no-redact: push all the same")


def _add_redaction(group: _Group) -> None:
    group.add_argument("--redact-extra", metavar="FILE", help="further rules of redaction, see the README")
    group.add_argument("--no-redact", action="store_true",
                       help="leave secrets and names in all files and prompts; the card says so")  # fmt: skip


def _add_limits(group: _Group) -> None:
    group.add_argument(
        "--max-requests",
        type=_parse_positive,
        metavar="N",
        help="stop after this many model requests (a resumed run counts anew)",
    )
    group.add_argument(
        "--max-cost",
        type=_parse_amount,
        metavar="USD",
        help="stop at this cost; needs the prices (a resumed run counts anew)",
    )
    group.add_argument("--input-price", type=_parse_price, metavar="USD", help="price of a million input tokens")
    group.add_argument("--output-price", type=_parse_price, metavar="USD", help="price of a million output tokens")


def _check_format(name: str | None, given: set[str]) -> None:
    """Refuse flags that the format has no use for; among all formats at once each may find one that has."""
    for flag, (formats, meaning) in _FORMATS_OF.items():
        if name is not None and name != AUTO and flag in given and name not in formats:
            raise ConfigError(
                f"{flag} {meaning}: --format {name} has none; leave it out (for {', '.join(formats)} only)"
            )


def _parse_count(text: str) -> int | None:
    return None if text == "all" else _parse_positive(text)


def _parse_whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _parse_natural(text: str) -> int:
    value = _parse_whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def _parse_positive(text: str) -> int:
    value = _parse_whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def _parse_price(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return value


def _parse_amount(text: str) -> float:
    value = _parse_price(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0 is too little")
    return value


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-05-31") from None


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
