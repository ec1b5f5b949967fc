"""A survey as one page: figures, plots, and a list of sessions with the view of each.

The page loads nothing: its policy (``Content-Security-Policy``) forbids every connection and every script and style but
its own two, which it names by their hashes. Figures are escaped by the template. Sessions are data: JSON in script
elements of a type that no browser runs, put on the page as text. They are written one after the other, so that memory
does not grow with them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tracemill.report.survey_plots import draw_calls, draw_counts, draw_histogram, draw_tally
from tracemill.report.survey_spool import SessionSpool
from tracemill.report.survey_table import OF_ALL_READ, list_overview
from tracemill.report.survey_text import format_number, format_share, make_line, make_printable

_FOLDER = Path(__file__).parent / "survey_page"
#: What tells our pages from any other file; it stands in their first bytes.
MARK = '<meta name="generator" content="tracemill">'
_HEAD_BYTES = 1_000


def is_page(path: Path) -> bool:
    """Whether a file is a page that ``write_page`` wrote. Raises: OSError: it cannot be read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.startswith(b"<!doctype html>") and MARK.encode() in head


def write_page(path: Path, facts: Mapping[str, Any], sessions: SessionSpool) -> None:
    """Write the page; a page that was there stays until the new one is whole.

    Raises:
        OSError: it cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=format_number, share=format_share, line=make_line, text=make_printable)
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    stream = environment.get_template("page.html.j2").stream(
        facts=facts,
        overview=list_overview(facts),
        of_all_read=OF_ALL_READ,
        plots=_list_plots(facts),
        sessions=(Markup(line) for line in sessions),
        session_count=sessions.count,
        largest_count=sessions.largest_count,
        failed_count=sessions.failed,
        style=Markup(style),
        script=Markup(script),
        policy=_build_policy(style, script),
        mark=Markup(MARK),
    )
    # a name that nothing else has, beside the page, so that it can take its place; none but the user may read it
    number, name = tempfile.mkstemp(prefix=".inspect-", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(stream)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _build_policy(style: str, script: str) -> str:
    own = (f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script))
    style_hash, script_hash = own
    return f"default-src 'none'; style-src {style_hash}; script-src {script_hash}; base-uri 'none'; form-action 'none'"


def _list_plots(facts: Mapping[str, Any]) -> list[tuple[str, Markup]]:
    """Title and drawing of every plot that has something to show."""
    plots = [
        ("Tool calls", draw_calls(facts["calls"])),
        *((f"Traces by {name}", draw_tally(tally)) for name, tally in facts["by"].items()),
        ("Messages by kind", draw_counts(facts["messages"]["by_kind"])),
        ("Characters by kind", draw_counts(facts["characters"]["by_kind"])),
        ("Outcomes", draw_counts({f"success: {name}": count for name, count in facts["outcomes"]["success"].items()})),
        ("Reward of a trace", draw_histogram(facts["outcomes"]["reward"])),
        ("Characters of a trace", draw_histogram(facts["characters"])),
        *((f"{name.capitalize()} tokens of a trace", draw_histogram(amount))
          for name, amount in facts["tokens"].items()),
    ]  # fmt: skip
    return [(title, Markup(drawing)) for title, drawing in plots if drawing]
