"""Seeded words for simulated runs: plain sentences, and texts that break careless readers."""

from __future__ import annotations

from random import Random

SUBJECTS = (
    "the parser",
    "a lighthouse",
    "my cousin's ferry",
    "the gcd of two numbers",
    "this queue",
    "the harbour log",
)
VERBS = ("fails on", "returns", "drifts past", "counts", "rewrites", "forgets")
OBJECTS = ("an empty list", "the last row", "seven buoys", "a negative number", "every second tide", "its own name")
ODD = (
    'It said "no", then \'maybe\', then \\"never\\".',
    "über naïve — 東京の天気は？ 🚢 café",
    "line one\nline two\n\n\tindented\r\nand a Windows end",
    '{"type": "tool_call", "name": "grep"} is text here',
    "<think>not mine</think> & <b>tags</b> in prose",
    "tab\there, backslash \\ there, null-ish: None, NaN",
    "a line separator \u2028 and a next line \x85 inside",
    '```json\n{"a": [1, 2, {"b": null}]}\n```',
    "$HOME, %PATH%, {{ template }}, {% raw %}",
)


def make_sentence(random: Random) -> str:
    words = f"{random.choice(SUBJECTS)} {random.choice(VERBS)} {random.choice(OBJECTS)}"
    return f"{words[0].upper()}{words[1:]} ({random.randrange(10_000)})."


def make_text(random: Random) -> str:
    """One to three sentences, often with something odd among them."""
    parts = [make_sentence(random) for _ in range(random.randint(1, 3))]
    if random.random() < 0.6:
        parts.insert(random.randint(1, len(parts)), random.choice(ODD))
    return " ".join(parts)


def make_hex(random: Random, length: int) -> str:
    return "".join(random.choice("0123456789abcdef") for _ in range(length))
