"""A survey in the terminal: its facts as tables. Trace text is never read as markup, and can steer no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracemill.report.survey_text import (
    cut,
    format_bucket,
    format_number,
    format_outcome,
    format_share,
    make_line,
    make_printable,
)

_MOST_ROWS = 12
_BAR_CHARS = 30
_GOAL_CHARS = 60
_EXAMPLE_CHARS = 160
_ID_CHARS = 40
#: What losses and notes are counted in: more than the traces kept.
OF_ALL_READ = "(in all that was read, copies and traces not taken too)"


def show_survey(console: Console, facts: Mapping[str, Any]) -> None:
    """Print all facts of a survey, see ``Survey.build_facts``."""
    console.print(Text(make_line(facts["path"]), style="bold"))
    if not facts["is_redacted"]:
        console.print(Text("Redaction is switched off: secrets and names stand as they are.", style="bold red"))
    _show_rows(console, "What is there", list_overview(facts))
    for name, tally in facts["by"].items():
        _show_tally(console, f"Traces by {name}", tally)
    _show_calls(console, facts["calls"])
    _show_histogram(console, "Characters of a trace", facts["characters"])
    for name, amount in facts["tokens"].items():
        _show_histogram(console, f"{name.capitalize()} tokens of a trace", amount)
    _show_histogram(console, "Reward of a trace", facts["outcomes"]["reward"])
    _show_largest(console, facts["largest"])
    _show_losses(console, facts["losses"], facts["path"])
    if facts["notes"]:
        rows = [(note["reason"], format_number(note["count"]), note["meaning"]) for note in facts["notes"]]
        _show_table(console, f"Mended, nothing lost {OF_ALL_READ}", ("reason", ">count", "meaning"), rows)
    if facts["redacted"]:
        rows = [(kind, format_number(count)) for kind, count in facts["redacted"].items()]
        _show_table(console, "Secrets and names replaced", ("kind", ">count"), rows)


def list_overview(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first figures as ``(name, text)``, for the terminal and the page."""
    files, traces, contexts = facts["files"], facts["traces"], facts["contexts"]
    success, calls = facts["outcomes"]["success"], facts["calls"]
    lost = {loss["reason"]: loss["count"] for loss in facts["losses"]}
    started = " to ".join(str(facts["started"][end]) for end in ("first", "last") if facts["started"][end])
    return [
        ("session files", _list_counts(files, "found", ("read", "rejected", "not_selected"))),
        ("files without traces", format_number(files["without_traces"])),
        ("lines read", f"{facts['lines']['read']:,} ({facts['lines']['with_losses']:,} lost something)"),
        ("traces", _list_counts(traces, "found", ("kept", "repeated", "no_messages", "not_selected"))),
        ("sessions without messages", _describe_empty(traces["no_messages"], lost.get("no_messages", 0))),
        ("cut short (maybe still being written)",
         f"{traces['partial']:,} of the traces kept; {lost.get('cut_line', 0):,} cut last lines lost "
         "in all that was read"),
        ("started", started or "-"),
        ("messages", _list_counts(facts["messages"]["by_kind"], "", tuple(facts["messages"]["by_kind"]))),
        ("tool calls, of the traces kept", _list_counts(calls, "calls", ("ok", "failed", "unknown", "unpaired"))),
        ("failed, of calls with a result", format_share(calls["failed_share"])),
        ("tool calls without a result", f"{calls['unpaired']:,} in the traces kept, "
                                        f"{calls['unpaired_noted']:,} noted in all that was read"),
        ("tool results without a call", f"{calls['results_without_call']:,} in the traces kept, "
                                        f"{calls['results_without_call_dropped']:,} dropped from all that was read"),
        ("outcomes", f"{success['true']:,} success, {success['false']:,} failure, {success['unknown']:,} unknown"),
        ("labelled by --outcomes", f"{traces['labelled']:,} of {traces['found']:,} traces found"),
        ("rewards", _describe_rewards(facts["outcomes"]["reward"])),
        ("characters", _describe_amount(facts["characters"])),
        ("input tokens", _describe_amount(facts["tokens"]["input"])),
        ("output tokens", _describe_amount(facts["tokens"]["output"])),
        ("contexts", f"{contexts['contexts']:,} ({contexts['compactions']:,} compactions "
                     f"in {contexts['traces_compacted']:,} traces)"),
    ]  # fmt: skip


def _list_counts(counts: Mapping[str, int], whole: str, parts: Sequence[str]) -> str:
    """``8 = 7 kept + 1 repeated``; parts of 0 are left out. The whole is the sum where it has no name."""
    total = counts[whole] if whole else sum(counts[part] for part in parts)
    held = [f"{counts[part]:,} {part.replace('_', ' ')}" for part in parts if counts[part]]
    return f"{total:,} = {' + '.join(held)}" if held else f"{total:,}"


def _describe_empty(traces: int, lost: int) -> str:
    """Of the losses ``no_messages``, those of traces that were found; the others never became a trace."""
    if lost <= traces:
        return format_number(lost)
    return f"{lost:,} = {traces:,} of the traces found + {lost - traces:,} sessions or parts that gave no trace"


def _describe_rewards(amount: Mapping[str, Any]) -> str:
    if not amount["traces"]:
        return _describe_amount(amount)
    mean, least, most = (format_number(amount[name]) for name in ("mean", "least", "most"))
    unknown = f"; unknown in {amount['unknown']:,} traces" if amount["unknown"] else ""
    return f"in {amount['traces']:,} traces: mean {mean}, smallest {least}, largest {most}{unknown}"


def _describe_amount(amount: Mapping[str, Any]) -> str:
    if not amount["traces"]:
        return f"unknown in all {amount['unknown']:,} traces" if amount["unknown"] else "-"
    ends = f"{format_number(amount['least'])} to {format_number(amount['most'])}"
    unknown = f", unknown in {amount['unknown']:,} traces" if amount["unknown"] else ""
    return f"{format_number(amount['total'])} (mean {format_number(amount['mean'])}, {ends}{unknown})"


def _show_table(
    console: Console, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], least_width: int | None = None
) -> None:
    """Print a table; a column whose name begins with ``>`` is set to the right. ``least_width``: the first column's."""
    console.print(Text(f"\n{title}", style="bold"))
    table = Table(header_style="dim")
    for name in header:
        justify = "right" if name.startswith(">") else "left"
        width = None if table.columns else least_width
        table.add_column(Text(name.removeprefix(">")), justify=justify, overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(Text(make_printable(cell)) for cell in row))
    console.print(table)


def _show_rows(console: Console, title: str, rows: Sequence[Sequence[str]]) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*(Text(make_printable(cell)) for cell in row))
    console.print(table)


def _show_tally(console: Console, title: str, tally: Mapping[str, Any]) -> None:
    names = list(tally["names"].items())
    rows = [(make_line(name), format_number(count)) for name, count in names[:_MOST_ROWS]]
    rest = sum(count for _, count in names[_MOST_ROWS:]) + tally["others"]
    if rest:
        rows.append(("(others)", format_number(rest)))
    if rows:
        _show_table(console, title, ("name", ">traces"), rows)


def _show_calls(console: Console, calls: Mapping[str, Any]) -> None:
    endings = ("calls", "ok", "failed", "unknown", "unpaired")
    rows = [
        (make_line(row["tool"]), *(format_number(row[name]) for name in endings), format_share(row["failed_share"]))
        for row in calls["by_tool"][:_MOST_ROWS]
    ]
    rest = {
        name: calls["other_tools"][name] + sum(row[name] for row in calls["by_tool"][_MOST_ROWS:]) for name in endings
    }
    if rest["calls"]:
        rows.append(("(others)", *(format_number(rest[name]) for name in endings), ""))
    if rows:
        header = ("tool", *(f">{name}" for name in endings), ">failed share")
        _show_table(console, "Tool calls", header, rows)


def _show_histogram(console: Console, title: str, amount: Mapping[str, Any]) -> None:
    buckets = amount["histogram"]
    most = max((bucket["traces"] for bucket in buckets), default=0)
    rows = [
        (format_bucket(bucket), format_number(bucket["traces"]), "█" * -(-bucket["traces"] * _BAR_CHARS // most))
        for bucket in buckets
    ]
    if rows:
        _show_table(console, title, (">from, to below", ">traces", ""), rows)


def _show_largest(console: Console, largest: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (row["trace_id"], format_number(row["characters"]), format_number(row["messages"]),
         format_number(row["calls"]), format_outcome(row["success"]), cut(make_line(row["goal"]), _GOAL_CHARS))
        for row in largest[:_MOST_ROWS]
    ]  # fmt: skip
    if rows:
        header = ("trace", ">characters", ">messages", ">calls", "outcome", "goal")
        width = min(max(len(row[0]) for row in rows), _ID_CHARS)
        _show_table(console, "Largest traces", header, rows, width)


def _show_losses(console: Console, losses: Sequence[Mapping[str, Any]], root: str) -> None:
    rows: list[tuple[str, str, str]] = []
    for loss in losses:
        rows.append((loss["reason"], format_number(loss["count"]), loss["meaning"]))
        for example in loss["examples"]:
            place = example["path"].removeprefix(f"{root}/") + (
                f":{example['line']}" if example["line"] is not None else ""
            )
            said = example["detail"] or example["content"]
            rows.append(("", "", cut(make_line(f"- {place} {said}"), _EXAMPLE_CHARS)))
    if rows:
        _show_table(console, f"Lost while reading {OF_ALL_READ}", ("reason", ">count", "meaning"), rows)
