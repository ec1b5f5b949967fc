"""What a person wrote, told apart from what a harness put into the user role."""

from __future__ import annotations

import pytest

from tracemill.ingest.injected import is_compaction_text, is_interrupt_text, split_user_text


@pytest.mark.parametrize(
    ("text", "human", "injected"),
    [
        ("Fix the parser", "Fix the parser", ""),
        ("", "", ""),
        (
            "<system-reminder>\nNo todos.\n</system-reminder>\nGo on.",
            "Go on.",
            "<system-reminder>\nNo todos.\n</system-reminder>",
        ),
        ("Go on.\n<system-reminder>a</system-reminder>", "Go on.", "<system-reminder>a</system-reminder>"),
        (
            "<command-name>/init</command-name>\n            <command-args></command-args>",
            "",
            "<command-name>/init</command-name>\n<command-args></command-args>",
        ),
        ("Why does <system-reminder> show up?", "Why does <system-reminder> show up?", ""),
        ("<system-reminder>never closed", "", "<system-reminder>never closed"),
        ("[Request interrupted by user]", "", "[Request interrupted by user]"),
        ("[Request interrupted by user]\nStop, wrong file", "Stop, wrong file", "[Request interrupted by user]"),
        (
            "<environment_context>\n<cwd>/x</cwd>\n</environment_context>",
            "",
            "<environment_context>\n<cwd>/x</cwd>\n</environment_context>",
        ),
        (
            "# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>\nFix it",
            "Fix it",
            "# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nUse tabs.\n</INSTRUCTIONS>",
        ),
        (
            "# Context from my IDE setup:\n\n## Active file: a.py\n\n## My request for Codex:\nFix it\n",
            "Fix it",
            "# Context from my IDE setup:\n\n## Active file: a.py\n\n## My request for Codex:",
        ),
        (
            "# Diff comments:\n\n## Comment 1\nFile: a\nComment:\nMove it\n\n# In app browser:\n- open\n\n"
            "## My request for Codex:\n\nThe next image shows the page.",
            "Move it",
            "# Diff comments:\n\n## Comment 1\nFile: a\nComment:\n\n# In app browser:\n- open\n\n"
            "## My request for Codex:\n\nThe next image shows the page.",
        ),
        (
            "# Diff comments:\n\n## Comment 1\nComment:\nMove it\n\n## Comment 2\nFile: b\nComment:\nAnd this\n\n"
            "## My request for Codex:\nPlease",
            "Move it\n\nAnd this\n\nPlease",
            "# Diff comments:\n\n## Comment 1\nComment:\n\n## Comment 2\nFile: b\nComment:\n\n## My request for Codex:",
        ),
        ("# A heading of my own\n\nFix it", "# A heading of my own\n\nFix it", ""),
    ],
    ids=[
        "plain",
        "empty",
        "reminder before",
        "reminder after",
        "command echo",
        "a tag in a sentence",
        "unclosed",
        "interrupt",
        "interrupt and words",
        "environment",
        "project instructions",
        "editor context",
        "comment on a page",
        "two comments and a request",
        "own heading",
    ],
)
def test_split_user_text(text: str, human: str, injected: str) -> None:
    split = split_user_text(text)
    assert (split.human, split.injected) == (human, injected)


def test_marks_of_interrupts_and_compactions() -> None:
    assert is_interrupt_text("<turn_aborted>\ninterrupted\n</turn_aborted>")
    assert not is_interrupt_text("please stop")
    assert is_compaction_text("This session is being continued from a previous conversation that ran out of context.")


def test_many_unclosed_tags_take_linear_time() -> None:
    text = "words\n" + "<system-reminder>\n" * 50_000
    assert split_user_text(text).human == text
