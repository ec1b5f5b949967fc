"""``recipe.py inspect``: what a folder of traces holds, without a model. Writes nothing but the page asked for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from tracemill.errors import ConfigError, InputError
from tracemill.ingest import FORMAT_NAMES, get_source
from tracemill.ingest.collect import Intake, collect_traces, keep_found
from tracemill.ingest.inventory import Inventory
from tracemill.ingest.outcomes import Outcomes, load_outcomes
from tracemill.ingest.packed import decode_trace
from tracemill.ingest.parallel import LEAST_BYTES, measure_bytes, pack_in_parallel
from tracemill.ingest.source import ReadOptions
from tracemill.report.survey import Survey
from tracemill.run.flags import Parser
from tracemill.run.nearest import choose_trace
from tracemill.run.options import Options, parse_options
from tracemill.run.reading import build_redactor, build_selection, explain_outcomes, list_inputs
from tracemill.run.terminal import Terminal
from tracemill.trace import Trace

DEFAULT_LIMIT = 200
DEFAULT_SHOW_CHARS = 2_000

#: Flags that mean what they mean to a recipe; a recipe's parser reads their values.
_SHARED: tuple[tuple[str, str, str], ...] = (
    ("--format", "F", f"trace format: {', '.join(FORMAT_NAMES)}"),
    (
        "--trace-dir",
        "PATH",
        "folder, file or database of traces (default: where the agent writes them), or for chat "
        "datasets hf://datasets/OWNER/NAME; --db is another name of this flag",
    ),
    ("--select", "ID,...", "only these trace or session ids"),
    ("--since", "YYYY-MM-DD", "only sessions started since that day"),
    (
        "--by",
        "reply|run",
        "agentscope_studio: one trace a reply, or one for each agent memory of a run, so that a run "
        "of several agents gives several (default: reply)",
    ),
    (
        "--outcomes",
        "FILE",
        "JSON lines or CSV that give success, reward, task_id of traces, by trace_id or path; a row with both means "
        "the trace that meets both",
    ),
    (
        "--workers",
        "N",
        "processes that read many traces (default: all cores)",
    ),
    ("--max-line-bytes", "N", "drop longer lines"),
    ("--redact-extra", "FILE", "further rules of redaction, see the README"),
)
_SWITCHES: tuple[tuple[str, str], ...] = (
    ("--branches", "take abandoned branches of a conversation as traces of their own"),
    ("--no-redact", "leave secrets and names in what is shown; the survey says so"),
)


def run_inspect(arguments: Sequence[str], terminal: Terminal) -> int:
    """The command; returns its exit code.

    Raises:
        ConfigError: flags or values that cannot be used. InputError: there is nothing to read, or no such trace.
        CountError: what was read does not add up. OSError: the page cannot be written.
    """
    values = vars(build_parser().parse_args(list(arguments)))
    options = _read_options(values)
    if values["show"] is not None:
        if values["html"] is not None:
            raise ConfigError("--show prints one trace, --html writes a page of all: leave one of them out")
        _show_one(options, values["show"], terminal, show_chars=values["show_chars"], as_json=values["json"])
        return 0
    page = None if values["html"] is None else _check_page(values["html"])
    facts = survey_traces(options, page, values["limit"])
    if warning := explain_outcomes(options, facts["traces"]):
        terminal.note(warning)
    if values["json"]:
        terminal.say(json.dumps(facts, ensure_ascii=True))
    else:
        from tracemill.report.survey_table import show_survey

        show_survey(terminal.console, facts)
    if page is not None:
        terminal.note(f"{page}: the page")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command's flags."""
    parser = Parser(
        prog="recipe.py inspect", description="Tell what a folder of traces holds. No model.", allow_abbrev=False
    )
    reading = parser.add_argument_group("traces")
    for flag, metavar, text in _SHARED:
        names = (flag, "--db") if flag == "--trace-dir" else (flag,)
        reading.add_argument(*names, metavar=metavar, help=text, required=flag == "--format")
    for flag, text in _SWITCHES:
        reading.add_argument(flag, action="store_true", help=text)
    showing = parser.add_argument_group("what is shown")
    showing.add_argument(
        "--json", action="store_true", help="one JSON object instead of tables; with --show, the trace"
    )
    showing.add_argument("--html", metavar="FILE", help="also write one page with plots and sessions; it loads nothing")
    showing.add_argument("--limit", type=_parse_limit, default=DEFAULT_LIMIT, metavar="N|all",
                         help="sessions on the page, the largest and the failed first; the figures are of all "
                         "traces (default: %(default)s)")  # fmt: skip
    showing.add_argument("--show", metavar="TRACE_ID", help="print one trace instead, message by message; the "
                         "beginning of an id will do where no other begins so")  # fmt: skip
    showing.add_argument("--show-chars", type=_parse_positive, default=DEFAULT_SHOW_CHARS, metavar="N",
                         help="characters of each text that --show prints (default: %(default)s)")  # fmt: skip
    return parser


def survey_traces(options: Options, page: Path | None, limit: int | None) -> dict[str, Any]:
    """The facts of all traces that the flags select; the page too, where one is asked for.

    ``limit``: how many sessions the page holds at most, None for all.

    Raises:
        InputError: there is nothing to read. CountError: what was read does not add up.
    """
    from tracemill.report.survey_html import write_page
    from tracemill.report.survey_spool import SessionSpool

    inventory, intake, survey = list_inputs(options), Intake(), Survey()
    if page is not None:
        _check_place(page, inventory)
    outcomes = _load_outcomes(options)
    with (
        nullcontext() if page is None else SessionSpool(limit) as spool,
        closing(_stream_traces(options, outcomes, inventory, intake)) as traces,
    ):
        for trace in traces:
            summary = survey.add(trace)
            survey.add_losses(intake.losses)
            intake.losses.clear()  # counted: kept, they would grow with what is read
            if spool is not None:
                spool.add(trace, summary)
        survey.add_losses(intake.losses)
        if options.select and not survey.traces:
            raise InputError(f"{inventory.root}: no session with id {', '.join(options.select)}")
        survey.check(inventory, intake)
        facts: dict[str, Any] = {
            "format": options.format,
            **survey.build_facts(inventory, intake, is_redacted=not options.no_redact),
        }
        if outcomes is not None:
            facts["traces"]["outcomes"] = outcomes.count_rows(intake.outcome_rows)
        if page is not None and spool is not None:
            write_page(page, facts, spool)
    return facts


def _show_one(options: Options, wanted: str, terminal: Terminal, *, show_chars: int, as_json: bool) -> None:
    inventory, intake = list_inputs(options), Intake()
    with closing(_stream_traces(options, _load_outcomes(options), inventory, intake)) as traces:
        try:
            trace = choose_trace(_drop_losses(traces, intake), wanted)
        except InputError as error:
            raise InputError(f"{inventory.root}: {error}") from None
    if trace.trace_id != wanted:
        terminal.note(f"no trace {wanted}: the only one near is {trace.trace_id}")
    if as_json:
        terminal.say(json.dumps(msgspec.to_builtins(trace), ensure_ascii=True))
        return
    from tracemill.report.survey_trace import show_trace

    show_trace(terminal.console, trace, show_chars)


def _drop_losses(traces: Iterable[Trace], intake: Intake) -> Iterator[Trace]:
    """The traces; losses are not kept, as they would grow with what is read."""
    for trace in traces:
        intake.losses.clear()
        yield trace


def _load_outcomes(options: Options) -> Outcomes | None:
    return None if options.outcomes is None else load_outcomes(Path(options.outcomes).expanduser())


def _stream_traces(
    options: Options, outcomes: Outcomes | None, inventory: Inventory, intake: Intake
) -> Generator[Trace]:
    """The traces that the flags select, one after the other; several processes read where there is much."""
    source, selection, redactor = get_source(options.format), build_selection(options), build_redactor(options)
    read_options = ReadOptions(options.max_line_bytes, options.branches, options.by, outcomes)
    groups = inventory.groups
    if options.workers == 1 or len(groups) < 2 or measure_bytes(groups) < LEAST_BYTES:
        yield from collect_traces(source, inventory, selection, intake, redactor=redactor, options=read_options)
        return
    with closing(pack_in_parallel(source, groups, redactor, read_options, workers=options.workers)) as results:
        packed = keep_found(results, inventory, selection, intake, redactor, None)
        yield from (decode_trace(item.encoded) for item in packed)


def _read_options(values: dict[str, Any]) -> Options:
    """What a recipe's parser makes of the shared flags, so that they mean the same and fail with the same words."""
    return parse_options("inspect", list(_list_shared(values)))


def _list_shared(values: dict[str, Any]) -> Iterator[str]:
    yield "--num-records=all"
    for flag, _, _ in _SHARED:
        value = values[flag.removeprefix("--").replace("-", "_")]
        if value is not None:
            yield f"{flag}={value}"
    for flag, _ in _SWITCHES:
        if values[flag.removeprefix("--").replace("-", "_")]:
            yield flag


def _check_page(name: str) -> Path:
    path = Path(name).expanduser().resolve()
    if path.is_dir():
        raise ConfigError(f"--html {name}: a folder; name a file")
    if not path.parent.is_dir():
        raise ConfigError(f"--html {name}: there is no folder {path.parent}; make it first")
    return path


def _check_place(page: Path, inventory: Inventory) -> None:
    """Refuse to write the page over anything but an earlier page."""
    from tracemill.report.survey_html import is_page

    if not page.exists():
        return
    inputs = (inventory.root, *(path for group in inventory.groups for path in group.paths))
    if any(path.is_file() and path.samefile(page) for path in inputs):
        raise ConfigError(f"--html {page}: is one of the files that are read; name another file")
    if not is_page(page):
        raise ConfigError(f"--html {page}: is there already and is no page of inspect; name another file")


def _parse_limit(text: str) -> int | None:
    return None if text == "all" else _parse_positive(text, ", nor all")


def _parse_positive(text: str, allowed: str = "") -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up{allowed}")
    return int(text)
