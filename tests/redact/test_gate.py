"""The gate lets through all that a finder could find: with it and without it the hits are the same."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import ALNUM, HARMLESS, HEX, HOMES, KEYS, NAMED, NAMES, SURROUNDINGS, URLSAFE, make
from surroundings import LOOK_ALIKES, SECRETS

from tracemill.redact import RULES, Redactor
from tracemill.redact.finding import begin_gate, build_gate, find_hits, list_needs
from tracemill.redact.gate import Gate, Need, relax
from tracemill.trace import Message, ToolCall, Trace

NEEDS = tuple(list_needs())
ALL_LABELS = frozenset(need.label for need in NEEDS)
ODD_LETTERS = ("é", "٣", "ſ", "\u212a", "\u00a0", "\u2003", "\x1c", "\x0b", "\x85", "\x00", "\ud83d", "😀", "\n")

#: What may stand before and behind a rule's literal, so that each rule matches at least once.
HEADS = ("", "aB3", make(ALNUM, 14), "M" + make(ALNUM, 25), "1234567890", "https://", "https://discord.com/api/")
TAILS = [make(letters, length) for letters in (ALNUM, HEX, URLSAFE) for length in (24, 32, 36, 40, 48, 64, 120, 1100)]
TAILS += [f"{make(ALNUM, 8)}_{make(ALNUM, 30)}", "eyJ" + make(ALNUM, 120), "AgE" + make(ALNUM, 60)]
TAILS += [f"{make(ALNUM, 6)}.{make(ALNUM, 38)}", make("ABCDEFGH234567", 16), "1" + make("QPZRY9X8", 58)]
TAILS += [" admin:" + make(ALNUM, 12)]
PLANTED = [around.format(value) for (_, value), around in product(KEYS, SURROUNDINGS.values())]
PLANTED += [text.format(value) for text, value, _ in NAMED] + [text.format(value) for text, value in [*NAMES, *HOMES]]
GROWN = [head + name + tail for rule in RULES for head, name, tail in product(HEADS, rule.literals, TAILS)]


def check_gate(text: str) -> None:
    assert find_hits(text, build_gate().list_open(text)) == find_hits(text, ALL_LABELS)


@pytest.mark.parametrize("letter", ["", *ODD_LETTERS], ids=ascii)
def test_planted_secrets_pass(letter: str) -> None:
    for text in PLANTED:
        middle = len(text) // 2
        for odd in (text, letter + text + letter, text[:middle] + letter + text[middle:]):
            check_gate(odd)


def test_texts_that_look_like_keys_pass() -> None:
    for text in GROWN:
        check_gate(text)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: f"{need.label}-{len(need.pattern)}")
def test_relaxed_expression_matches_wherever_the_given_one_does(need: Need) -> None:
    given_one = re.compile(need.pattern, re.IGNORECASE if need.is_caseless else 0)
    relaxed = re.compile(relax(need.pattern).encode(), re.DOTALL | (re.IGNORECASE if need.is_caseless else 0))
    texts = [*PLANTED, *HARMLESS, *(letter.join(PLANTED[i : i + 9]) for i, letter in enumerate(ODD_LETTERS))]
    for text in texts:
        shown = text.encode("ascii", "replace")
        if given_one.search(shown.decode() if need.is_caseless else text):
            assert relaxed.search(shown), text


PIECES = st.one_of(
    st.sampled_from([value for _, value in KEYS if len(value) < 300]),
    st.sampled_from(PLANTED),
    st.sampled_from([text for text, _ in SECRETS]),
    st.sampled_from([*HARMLESS, *LOOK_ALIKES]),
    st.sampled_from([name for rule in RULES for name in rule.literals]),
    st.sampled_from([*list("\\\"'=:@/-_.&[]{} \n,;"), "PassWord", "token=", "/home/", "://", "[REDACTED_", "\\n"]),
    st.sampled_from(ODD_LETTERS),
    st.text(max_size=8),
)


@settings(deadline=None, max_examples=500)
@given(st.lists(PIECES, max_size=8).map("".join), st.integers(0, 200), st.integers(0, 400))
def test_gate_changes_no_hit(text: str, start: int, end: int) -> None:
    check_gate(text)
    check_gate(text[start : start + end])


def test_most_texts_open_nothing() -> None:
    prose = "The tests pass; see src/main/index.ts, commit 0f3c9a1e77b2 and `token_type` in a.b.c(x=1), 12:30. " * 50
    assert build_gate().list_open(prose) == frozenset()


@pytest.mark.parametrize(
    ("pattern", "relaxed"),
    [
        ("a{2,9}+b", "a{2,}b"),
        ("a*+b++", "a*b+"),
        (r"(?<![a-z)])x(?!y(?:z))", "x"),
        (r"(?:(?<=\))|\(?)x", r"(?:|\(?)x"),
        (r"[^\s\]]\d", r"[^\s\]](?:[\d]|[?\x0b\x1c-\x1f])"),
        (r"[^\W_]", r"(?:[^\W_]|[?\x0b\x1c-\x1f])"),
        (r"[a+*+]{3}+\{1,2}\Z", r"[a+*+]{3}\{1,2}"),
    ],
)
def test_relax(pattern: str, relaxed: str) -> None:
    assert relax(pattern) == relaxed


def test_threads_share_a_gate() -> None:
    gate = Gate([Need("x", r"x{3,5}y"), Need("z", "ZZ", is_caseless=True)])
    texts = ["." * 20_000 + ("xxxy" if i % 2 else "") + ("zz" if i % 3 else "") for i in range(400)]
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(gate.list_open, texts))
    assert opened == [frozenset({*("x" * (i % 2)), *("z" * (i % 3 > 0))}) for i in range(400)]


def test_redactor_finds_what_only_the_strings_of_json_show() -> None:
    """The whole text is not enough where escapes hide a name, or where a key's own name shadows what its value says."""
    for arguments, count in (
        (r'{"a": "/home/annlee/x \n-Users-bobby-work"}', 2),
        (r'{"a": "/home/annlee/x", "b": "X_API_KEY\t=\t0f3c9a1e77b24d519c1e2b7f60a4d8e3"}', 2),
        (r'{"a": "C:\\Users\\annlee is here\nnow"}', 1),
        (r'{"a": "/home/annlee/x \"quoted\"\n"}', 1),
    ):
        message = Message(role="assistant", tool_calls=(ToolCall("c1", "Bash", arguments),))
        redacted = Redactor().redact_trace(Trace("t", "codex", "x", "t", (message,)))
        shown = redacted.messages[0].tool_calls[0].arguments
        assert len(re.findall(r"user_[0-9a-f]{6}|\[REDACTED_", shown)) == count, shown


def test_a_gate_that_is_begun_is_the_one_that_is_built() -> None:
    begin_gate()
    gate = build_gate()
    assert gate is build_gate()
    assert gate.list_open("password = hunter2hunter2") == build_gate().list_open("password = hunter2hunter2") != set()
