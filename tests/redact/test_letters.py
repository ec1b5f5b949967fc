"""Keys without a digit: letters drawn by chance, among words that are none."""

from __future__ import annotations

import random
import string

import pytest

from tracemill.redact import Redactor
from tracemill.redact.letters import is_unspoken

WORDS = (
    "internationalization", "HTTPPasswordMgrWithDefaultRealm", "abcdefghijklmnopqrstuvwxyz", "xxxxxxxxxxxxxxxxxxxx",
    "getUserAuthenticationToken", "the_quick_brown_fox_jumps", "DeprecationWarningFilter", "transactionalOutboxPattern",
    "kubernetesServiceAccount", "YOUR_SECRET_TOKEN_GOES_HERE",
)  # fmt: skip
LETTERS = {"both cases": string.ascii_letters, "lower case": string.ascii_lowercase}


@pytest.mark.parametrize("word", WORDS)
def test_words_are_not_drawn_by_chance(word: str) -> None:
    assert not is_unspoken(word)


@pytest.mark.parametrize(("length", "least"), [(16, 190), (20, 194), (32, 197), (64, 199)])
@pytest.mark.parametrize("letters", LETTERS.values(), ids=LETTERS)
@pytest.mark.parametrize(
    "around", ["API_KEY={}", "Authorization: Bearer {}", 'client_secret: "{}"', '{{"password": "{}"}}']
)
def test_letters_under_a_name_are_secrets(letters: str, length: int, least: int, around: str) -> None:
    chance = random.Random(length)
    values = ["".join(chance.choices(letters, k=length)) for _ in range(200)]
    redactor = Redactor()
    assert sum(value not in redactor.redact_text(around.format(value)) for value in values) >= least


def test_tokens_of_hugging_face_are_found() -> None:
    chance, redactor = random.Random(34), Redactor()
    tokens = ["hf_" + "".join(chance.choices(string.ascii_letters, k=34)) for _ in range(500)]
    assert sum(token not in redactor.redact_text(f"use {token}\nnow") for token in tokens) >= 498


def test_a_name_with_words_behind_it_stays() -> None:
    text = "passwd: HTTPPasswordMgr\ntoken = getUserAuthenticationToken\nsecret_name: kubernetesServiceAccount\n"
    assert Redactor().redact_text(text) == text
