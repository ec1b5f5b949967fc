"""Names with a value, in all the ways in which one may follow: the gate opens wherever a secret is found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import HEX, make

from tracemill.redact.assigned_needs import PASSWORD_NAME, SECRET_NAME
from tracemill.redact.assignments import ASSIGNED_LABELS, find_assigned
from tracemill.redact.finding import build_gate

KEY = make(HEX, 32)
#: Each has a secret, and no other way into the gate than the one that it shows.
FOUND = (
    f"api_key={KEY}",
    f"API key is: {KEY}",
    f"token for the bot is {KEY}",
    f'secret: str = "{KEY}"',
    f'TOKEN: &str = "{KEY}"',
    f'SECRET: &\'static str = "{KEY}"',
    f'apiToken: String? = "{KEY}"',
    f'token: Option<String> = "{KEY}"',
    f'secret string = "{KEY}"',
    f'API_KEY[] = "{KEY}"',
    'PASSWORD[16] = "Xk9$mQ2v"',
    'dbPassword string = "Xk9$mQ2v"',
    f'{{"client_secret":"{KEY}"}}',
    f'"auth": "{KEY}"',
    f'"token", "value": "{KEY}"',
    f'token = cfg.token or "", token || "{KEY}"',
    f'token ?? "{KEY}"',
    f'setenv("API_TOKEN", "{KEY}")',
    f"<string>x</string><key>token</key>\n  <string>{KEY}</string>",
    f'<token type="x">{KEY}</token>',
    f'token = SecretStr("{KEY}")',
    f'token = getenv("X", "{KEY}")',
    f'token = env("X", "{KEY}")',
    f'token = os.environ.get("X", "{KEY}")',
    f'token = Some("{KEY}")',
    f'token = process.env["X"] || "{KEY}"',
    "ADMIN_MASTER_KEY=sk-elm-9-io",
    "JWT_SECRET=otter-parade-unlit-gravel",
    f"x --token {KEY}",
    f"x -api_token {KEY}",
    f"config set token {KEY}",
    f"config  token {KEY}",
    f"#define secret {KEY}",
    f"set -Ux token {KEY}",
    f"set -gx  token {KEY}",
    f"envs add api_key {KEY}",
    f"setx token {KEY}",
    f"credentials token {KEY}",
    f'--token getenv("X", "{KEY}")',
    f"x --api key {KEY}",
    "password=hunter2!",
    "pwd: Xk9$mQ2v",
    'pw="Xk9$mQ2v"',
    'psk="gneiss and four otters"',
    "x --password Xk$mQvLpz",
    'x --db-pass "Xk$mQvLpz"',
    "config set password Xk$mQvLpz",
    "set -gx pass Xk$mQvLpz",
    "password Xk9mQ2vLp",
    'password "Xk9,mQ2(vLp"',
    'psk "gneiss and 4 otters"',
    "<password>Xk9$mQ2v</password>",
    'password || "Xk9$mQ2v"',
    'fill("#password", "Xk9$mQ2v!")',
    "password=a&b&c!d2",
)


@pytest.mark.parametrize("text", FOUND, ids=range(len(FOUND)))
def test_gate_opens_where_a_name_has_a_secret(text: str) -> None:
    hits = list(find_assigned(text, ASSIGNED_LABELS))
    assert hits
    assert list(find_assigned(text, build_gate().list_open(text))) == hits


@pytest.mark.parametrize(
    "text",
    [
        "the token count is 2000 tokens, a token budget of 10",
        "const contextKey = last; STORAGE_KEY, JSON.stringify(x)",
        "All tests pass (2 of 3). The password field is required",
        "the author, an authority and authenticated users of library authors",
        "`api_key`, `token`, password, secret",
        "needs token counting and key bindings",
    ],
    ids=["count", "code", "prose", "author", "list", "words"],
)
def test_gate_stays_shut_where_names_have_no_value(text: str) -> None:
    assert build_gate().list_open(text * 20).isdisjoint({PASSWORD_NAME, SECRET_NAME})


NAMES = (
    *("password", "passwd", "PASS", "pw", "psk", "pwd", "secret", "token", "api key", "API_KEY", "apiKey", "Auth"),
    *("--token", "--api key", "-storepass", "config set token", "secrets set secret", "set -Ux token", "wpa-psk"),
    *("# define SECRET", "my \u017fecret set token", "conf\u0131g token", "MASTER_KEY", "session({ secret", "env  key"),
)
SEPARATORS = (
    *(" ", "  ", "=", ": ", " = ", " is ", " is: ", ": str = ", '": "', '"]="', " for the db is ", '" || "', ">", "\t"),
    *(': &str = "', ": &'static str = \"", ': String? = "', ' string = "', '[] = "', "[3] = '", " string="),
    *(" ?? '", " => ", ":=", "\\t= ", '", value: "', "</key>\n<string>", ' type="x">', '", "', "value="),
)
CALLS = ("", '"', "'", "`", '\\"', 'SecretStr("', 'env("X", "', 'fetch(\'X", "', 'process.env.Q || "', 'f"', 'some( "')
VALUES = (
    *("hunter2!", "Xk9$mQ2vLp", "correct-horse-battery-9", KEY, "sk-a-1-b", "a&b&c1d2", "ab,cd(1Zq!x"),
    *("my dog 4 tree", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzKEY1", "q1 w2", "ab\tcd1Xy!", "!9aZk.Lm&v"),
)
ENDS = ("", '"', "'", "`", "\n", ")", '",', "</x>", "&b=1", ";")


PIECES = st.tuples(
    st.sampled_from(("", "\n", "x ", "export ", '"')),
    st.sampled_from(NAMES),
    st.sampled_from(("", "_2", "s", ".x", "\u00e9")),
    st.sampled_from(SEPARATORS),
    st.sampled_from(CALLS),
    st.sampled_from(VALUES),
    st.sampled_from(ENDS),
)


@settings(deadline=None, max_examples=1500)
@given(PIECES.map("".join))
def test_gate_hides_no_value(text: str) -> None:
    opened = build_gate().list_open(text)
    assert list(find_assigned(text, opened)) == list(find_assigned(text, ASSIGNED_LABELS))
