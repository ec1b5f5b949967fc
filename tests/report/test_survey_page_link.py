"""A link to one trace of the page: it is opened and scrolled to, and says where its view is cut."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.report.survey_traces import build_facts, make_trace
from tests.report.test_survey_page import CHROMIUM, Page, render
from tracemill.report.survey import Survey
from tracemill.report.survey_html import write_page
from tracemill.report.survey_spool import SessionSpool
from tracemill.trace import Message, Trace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

#: Tells in the title how far down the page was scrolled, and how far below its top the opened view lies.
PROBE = """<script>document.title = [scrollY, document.querySelector(".opened")?.getBoundingClientRect().top ?? -1]
  .map(Math.round).join(" ")</script>"""


def write_traces(path: Path, traces: list[Trace]) -> None:
    facts, survey = build_facts(), Survey()
    facts["traces"]["kept"] = len(traces)
    with SessionSpool(None) as spool:
        for trace in traces:
            spool.add(trace, survey.add(trace))
        write_page(path, facts, spool)


def probe(path: Path, home: Path, link: str) -> tuple[int, int]:
    """How far the page is scrolled, and where in the window the opened view begins (-1: none)."""
    text = path.read_text(encoding="utf-8")
    allowing = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    path.with_name("probed.html").write_text(allowing.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    title = re.search(r"<title>(-?\d+) (-?\d+)</title>", render(path.with_name("probed.html"), home, link))
    assert title is not None
    return int(title[1]), int(title[2])


@pytest.mark.parametrize(
    ("link", "is_opened"),
    [("#trace=t3", True), ("#outcome=failure&trace=t3", True), ("#trace=nowhere", False), ("", False)],
)
def test_a_link_to_a_trace_goes_to_it(tmp_path: Path, link: str, is_opened: bool) -> None:
    path = tmp_path / "page.html"
    write_traces(path, [make_trace(f"t{number}") for number in range(9)])
    scrolled, top = probe(path, tmp_path / "home", link)
    assert (scrolled > 500) is is_opened
    assert (0 <= top < 300) is is_opened
    assert top == -1 or is_opened


def test_a_trace_beyond_the_first_rows_is_opened_too(tmp_path: Path) -> None:
    traces = [make_trace(f"t-{number:03}") for number in range(520)]
    write_traces(tmp_path / "page.html", [*traces, make_trace("t-")])
    page = Page(render(tmp_path / "page.html", tmp_path / "home", "#trace=t-"))
    assert "== goal ==" in "".join(page.words)
    assert "521 of 521" in page.words


def test_a_trace_that_is_not_on_the_page_is_told(tmp_path: Path) -> None:
    write_traces(tmp_path / "page.html", [make_trace("t1")])
    page = Page(render(tmp_path / "page.html", tmp_path / "home", "#trace=t2"))
    assert "0 of 1; t2 is not on this page" in page.words


@pytest.mark.parametrize(
    ("trace_id", "spelled"),
    [("a/b#2", "a/b#2"), ("it's $(x)", "'it'\\''s $(x)'"), ("a\nb", "TRACE_ID")],
    ids=["plain", "quoted", "unsafe"],
)
def test_a_view_that_is_cut_says_how_to_see_all(tmp_path: Path, trace_id: str, spelled: str) -> None:
    said = Message("assistant", "word " * 24_000)
    write_traces(tmp_path / "page.html", [make_trace(trace_id, (Message("user", "Go", "human"), said))])
    page = Page(render(tmp_path / "page.html", tmp_path / "home", f"#trace={quote(trace_id, safe='')}"))
    told = [words for words in page.words if words.startswith("This view is cut")]
    view = page.sessions[0]["view"]
    assert told == [
        f"This view is cut: it has {len(view):,} characters, the trace 120,002. "
        f"All of it: inspect --show={spelled} --show-chars=120002"
    ]


def test_a_view_that_is_whole_says_nothing(tmp_path: Path) -> None:
    write_traces(tmp_path / "page.html", [make_trace("t1")])
    page = Page(render(tmp_path / "page.html", tmp_path / "home", "#trace=t1"))
    assert "== goal ==" in "".join(page.words)
    assert "This view is cut" not in "".join(page.words)
