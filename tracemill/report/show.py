"""What a person sees in the terminal: a sample record, and a table of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

_LONGEST_CHARS = 3_000


def show_record(console: Console, row: Mapping[str, Any], sections: Sequence[str]) -> None:
    """Print the named columns of one row, each in a panel; trace text is never read as markup."""
    header = f"{row['source_kind']}  {row['trace_id']}"
    console.rule(escape(header))
    console.print(
        escape(
            f"{row['model_turn_count']} model turns, {row['tool_call_count']} tool calls "
            f"({row['failed_call_count']} failed), model {row['model'] or 'unknown'}\n{row['source_path']}"
        ),
        style="dim",
    )
    for name in sections:
        console.print(Panel(_render_value(row.get(name)), title=name, title_align="left"))


def show_counts(console: Console, title: str, counts: Sequence[tuple[str, str]]) -> None:
    """Print a two-column table."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in counts:
        table.add_row(escape(name), escape(value))
    console.print(table)


def _render_value(value: Any) -> str:
    if isinstance(value, Mapping):
        lines = [_render_field(str(key), item) for key, item in value.items()]
        return "\n".join(lines)
    return escape(_cut(_show(value)))


def _render_field(name: str, value: Any) -> str:
    if isinstance(value, Mapping) and "score" in value:
        return f"[bold]{escape(name)}[/bold] {value['score']}  {escape(_cut(str(value.get('reasoning', ''))))}"
    if isinstance(value, list | tuple):
        return f"[bold]{escape(name)}[/bold]\n" + "\n".join(f"  - {escape(_cut(str(item)))}" for item in value)
    return f"[bold]{escape(name)}[/bold] {escape(_cut(_show(value)))}"


def _show(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "(none)"
    return str(value)


def _cut(text: str) -> str:
    left = len(text) - _LONGEST_CHARS
    return text if left <= 0 else f"{text[:_LONGEST_CHARS]} [... {left:,} characters cut]"
