"""Connection strings, hashes, cookies, keys of objects, sentences: what goes whole, what stays, what ends in time."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import BLIND_ENTRIES, ENTRIES, SECOND_BLIND_ENTRIES
from labelled.connections import NO_CONNECTIONS
from labelled.entry import build_entries
from planted import ALNUM, URLSAFE, make

from tracemill.redact import Redactor
from tracemill.redact.finding import build_gate, find_hits, list_needs
from tracemill.redact.sieve import list_key_needs

ALL_LABELS = frozenset(need.label for need in list_needs())
KEY, COOKIE = make(ALNUM, 40), make(URLSAFE, 43)
PEM = "-----BEGIN EC PRIVATE" + " KEY-----", make(ALNUM, 64), make(ALNUM, 30), "-----END EC PRIVATE" + " KEY-----"
ENTRIES_OF_ALL = (*ENTRIES, *BLIND_ENTRIES, *SECOND_BLIND_ENTRIES)

#: Each ``{}`` is a secret and goes whole, all else stays.
WHOLE: tuple[tuple[str, str], ...] = (
    ("host=db user=app password={} sslmode=require", "quietmarsh"),
    ("user=app password='{}' host=db", "quiet marsh"),
    ("Server=db;User Id=a b;Password={};Encrypt=true", "quiet marsh,9"),
    ("Pwd={};Server=db", "graniteowl"),
    ("app:{}@tcp(db:3306)/shop", "plainfinch"),
    ("keyPassword '{}'", "Fern-Gully9"),
    ("composer config http-basic.repo.shop.io ci {}", "plainfinch"),
    ("http --auth=ci:{} :8080", "plainfinch"),
    ("hooks.zapier.com/hooks/catch/{}/", "4471234/" + KEY[:7].lower()),
    ('cookies={{"a": "b", "sid": "{}"}}', KEY),
    ('{{"name": "x1", "value": "{}", "path": "/"}}', COOKIE),
    ('{{"keyName": "key1", "value": "{}=="}}'.replace("{}==", "{}"), make(ALNUM, 86) + "=="),
    ('oauth_signature="{}"', make(ALNUM, 24) + "%26" + make(ALNUM, 24)),
    ('{{"kty": "oct", "k": "{}"}}', COOKIE),
    ("ann:{}:19000:0", "$6$" + make(ALNUM, 12) + "$" + make(ALNUM, 86)),
    ("ops:{}\n", "$2b$12$" + make(ALNUM, 53)),
    ("session({{ resave: false, secret: '{}' }})", "kXhXiKeAOTVajiv"),
    ("jwt.verify(raw, '{}')", "Xk9mQ2vLpTr4"),
    ('const TOKEN: &str = "{}";', KEY),
    ("the passphrase is {}.", "copper-meadow-otter-lamp"),
    ("the password (`{}`) is old", "Walnut-Ridge58"),
    ("app / {} (password)", KEY[:16]),
    ("set the password to `{}`", "Mallow7-Quay"),
)
STAYS = (
    "host=db user=app password=config.password",
    "host=db user=app password=:password",
    "login user=ann password=invalid host=10.0.0.1",
    "Server=db;Password=get_password();Encrypt=true",
    "Server=db;Password=cfg.Db.Password;Encrypt=true",
    "https://api.x.io/app:v2@tcp(",
    '{"k": "' + COOKIE + '"}',
    '{"a": {"kty": "oct"}, "k": "' + COOKIE + '"}',
    '{"kty": "RSA", "n": "' + COOKIE + '", "e": "AQAB"}',
    "cookies = {'session': get_session_cookie_value}",
    "$6$abc and $1$2$3",
    "password (PBKDF2-SHA256)",
    "What was the password?\nIt is set to `config/db-v2.yaml`",
    "send the password to ann@example.com",
    "oauth_signature=" + make(ALNUM, 27) + "%3D",
    "data:application/json;base64,eyJwYXNzd29yZCI6ICJhYmMxMjMhIiwgInNvdXJjZXMiOiBbXX0gIHh4eHh4eHh4",
)


@pytest.mark.parametrize(("text", "value"), WHOLE, ids=[text[:40] for text, _ in WHOLE])
def test_secret_goes_whole(text: str, value: str) -> None:
    redacted = Redactor().redact_text(text.format(value))
    before, after = text.format("\0").split("\0")
    assert re.fullmatch(re.escape(before) + r"\[REDACTED_[A-Z_]+_[0-9a-f]{6}\]" + re.escape(after), redacted), redacted
    assert Redactor().redact_text(redacted) is redacted


@pytest.mark.parametrize("text", STAYS, ids=[text[:40] for text in STAYS])
def test_what_is_none_stays(text: str) -> None:
    assert Redactor().redact_text(text) is text


def test_harmless_strings_of_this_kind_stay() -> None:
    for entry in build_entries(NO_CONNECTIONS):
        assert Redactor().redact_text(entry.text) is entry.text, entry.id


@pytest.mark.parametrize("mark", ["-", "+", "> ", " "], ids=["removed", "added", "quoted", "context"])
@pytest.mark.parametrize("lines", [PEM, PEM[:3]], ids=["whole", "without its end"])
def test_key_behind_marks_goes(mark: str, lines: tuple[str, ...]) -> None:
    for ending in ("\n", "\\n"):
        redacted = Redactor().redact_text(ending.join(mark + line for line in lines))
        assert not any(line in redacted for line in PEM[1:3]), redacted


def test_all_private_members_of_a_key_go() -> None:
    values = {name: make(URLSAFE, 40) + name for name in ("d", "p", "q", "dp", "dq", "qi")}
    key = {"n": make(URLSAFE, 80), **values, "kty": "RSA", "e": "AQAB"}
    for text in (json.dumps(key), json.dumps(json.dumps(key, indent=1)), repr(key)):
        redacted = Redactor().redact_text(text)
        assert not any(value in redacted for value in values.values())
        assert key["n"] in redacted


def test_gate_lets_all_labelled_strings_through() -> None:
    gate = build_gate()
    for entry in ENTRIES_OF_ALL:
        for text in (entry.text, json.dumps(entry.text)):
            assert find_hits(text, gate.list_open(text)) == find_hits(text, ALL_LABELS), entry.id


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([text.format(value) for text, value in WHOLE]), st.integers(0, 60), st.integers(0, 200))
def test_gate_hides_nothing_of_what_is_cut(text: str, start: int, end: int) -> None:
    cut = text[start:end]
    assert find_hits(cut, build_gate().list_open(cut)) == find_hits(cut, ALL_LABELS)


def test_expressions_of_the_gate_stay_short() -> None:
    assert max(need.pattern.count("|") for need in list_key_needs() if need.pattern.startswith("(?:")) < 60


@pytest.mark.parametrize(
    "piece",
    ["host=a ", "user=a password=b", "a=b;", "Server=a;Password=b", ":aaa@tcp", "cookies={", '{"kty":', '"d":"',
     "password to ", "password? to ", "password for a ", "pass (", "eyJ", "ewog", "$6$a", "$2b$12$", "TRUE\t1\t",
     "oauth_signature=a%26", "http -a a:", "session({secret:", "jwt.sign(a,", '"value":"a","domain"', "key1 FULL "],
)  # fmt: skip
def test_long_runs_come_to_an_end(piece: str) -> None:
    started = time.process_time()
    for text in (piece * (20_000 // len(piece)), piece + "a" * 20_000, piece + "a " * 10_000, piece + " " * 20_000):
        Redactor().redact_text(text)
    assert time.process_time() - started < 20
