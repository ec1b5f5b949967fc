"""What a person sees in the terminal: a sample record, and a table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from tracemill.report.survey_text import cut, make_line, make_printable

_LONGEST_CHARS = 3_000


def show_record(console: Console, row: Mapping[str, Any], sections: Sequence[str]) -> None:
    """Print the named columns of one row, each in a panel.

    Trace text is never read as markup, and can steer no terminal.
    """
    console.rule(_spell_line(f"{row['source_kind']}  {row['trace_id']}"))
    counts = (
        f"{row['model_turn_count']} model turns, {row['tool_call_count']} tool calls "
        f"({row['failed_call_count']} failed), model {row['model'] or 'unknown'}"
    )
    for line in (counts, str(row["source_path"])):
        console.print(_spell_line(line), style="dim")
    for name in sections:
        console.print(Panel(_render_value(row.get(name)), title=name, title_align="left"))


def show_counts(console: Console, title: str, counts: Sequence[tuple[str, str]]) -> None:
    """Print a two-column table. Its texts are never read as markup, and can steer no terminal."""
    table = Table(title=_spell_line(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in counts:
        table.add_row(_spell_line(name), _spell_line(value))
    console.print(table)


def _render_value(value: Any) -> str:
    if isinstance(value, Mapping):
        lines = [_render_field(str(key), item) for key, item in value.items()]
        return "\n".join(lines)
    return _spell(_show(value))


def _render_field(name: str, value: Any) -> str:
    title = f"[bold]{_spell_line(name)}[/bold]"
    if isinstance(value, Mapping) and "score" in value:
        return f"{title} {_spell_line(str(value['score']))}  {_spell(str(value.get('reasoning', '')))}"
    if isinstance(value, list | tuple):
        return f"{title}\n" + "\n".join(f"  - {_spell(str(item))}" for item in value)
    return f"{title} {_spell(_show(value))}"


def _show(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "(none)"
    return str(value)


def _spell(text: str) -> str:
    """The text cut to what a panel holds, as markup that shows it as it is."""
    return escape(make_printable(cut(text, _LONGEST_CHARS)))


def _spell_line(text: str) -> str:
    return escape(make_line(text))
