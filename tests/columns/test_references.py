from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.columns.references import build_haystack, check_references, find_references
from tracemill.trace import Message, ToolCall, Trace


def make_trace(*texts: str, calls: tuple[ToolCall, ...] = (), cwd: str | None = "/repo") -> Trace:
    messages = [Message("user", text, "human") for text in texts]
    messages.append(Message("assistant", "", tool_calls=calls, reasoning_content="maybe retry_budget matters"))
    return Trace("t", "codex", "/s", "t", tuple(messages), cwd=cwd)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `src/a.py` and ./docs/guide.md:12.", [("path", "src/a.py"), ("path", "docs/guide.md")]),
        ("Run `uv run pytest -x tests/`", [("command", "uv run pytest"), ("flag", "-x"), ("path", "tests")]),
        ("Use `--dry-run` or --no-cache.", [("flag", "--dry-run"), ("flag", "--no-cache")]),
        ("at https://docs.foo.dev/a/, see", [("url", "https://docs.foo.dev/a")]),
        ("`pip install requests[socks]==2.1 tenacity`", [("package", "requests"), ("package", "tenacity")]),
        ("```python\nimport httpx, os\nfrom foo.bar import b\n```", [("package", "httpx"), ("package", "foo")]),
        ("`Clock.now()` or parse_args", [("identifier", "Clock.now"), ("identifier", "parse_args")]),
        ("`MAX_SIZE`, FooBar()", [("identifier", "MAX_SIZE"), ("identifier", "FooBar")]),
        ("```bash\n$ cargo nextest run\n```", [("command", "cargo nextest")]),
        ("`npm run build:prod && npm test`", [("command", "npm run build:prod")]),
        ("edit app.toml (see app.toml)", [("path", "app.toml")]),
    ],
    ids=["paths", "command", "flags", "url", "install", "import", "names", "code", "block", "chain", "once"],
)  # fmt: skip
def test_references_are_found_in_order(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(item.kind, item.value) for item in find_references(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "read/write, and/or, I/O, CI/CD, 3/4, 10/week, e.g. this, i.e. that",
        "Node.js, GitHub, JavaScript, macOS and README",
        "`null`, `true`, `git status`, `ls -la`, `cd /tmp`, `GET`, `string`",
        "a plain sentence. Another one, with nothing in it.",
        "`path/to/file`, `<name>`, `your-project`, https://example.com/x",
        "`application/json` at 1.2.3 or v2.0",
        "",
    ],
    ids=["slashes", "products", "known", "prose", "placeholders", "numbers", "empty"],
)
def test_words_of_everyone_are_no_references(text: str) -> None:
    assert find_references(text) == []
    assert check_references(text, make_trace("x")).support is None


@pytest.mark.parametrize(
    ("response", "evidence"),
    [
        ("`src/a.py`", "opened /repo/src/a.py today"),
        ("`a.py`", "M  lib/a.py"),
        ("`/repo/src/a.py`", "src/a.py was read"),
        ("`src/a.py`", "src:\na.py\nb.py"),
        ("`uv run pytest -x`", "ran uv run pytest -x -q"),
        ("`make lint`", "Makefile\nlint:\n\truff"),
        ("`npm run build`", '{"scripts": {"build": "vite"}}'),
        ("https://a.dev/x/", "http://a.dev/x"),
        ("`pip install my-lib`", "import my_lib"),
        ("`Clock.now`", "class Clock:\n  def now(self)"),
        ("the FooBars", "class FooBar:"),
        ("`retry_budget`", "nothing"),
        ("`load_messages/1`", "def load_messages(session)"),
        ("`app/lib/x.ex`", "app\n├── lib\n│   └── x.ex"),
        ("Package.json", "package.json"),
        ("`main.rs`", '{"output": "src\\nmain.rs"}'),
    ],
    ids=[
        "longer-path", "file-name", "absolute", "listing", "command", "make", "npm-script", "url", "package", "member",
        "plural", "reasoning", "arity", "tree", "capital", "escaped",
    ],
)  # fmt: skip
def test_what_the_trace_holds_is_supported(response: str, evidence: str) -> None:
    check = check_references(response, make_trace(evidence))
    assert (check.unsupported, check.support) == ([], 1.0)


@pytest.mark.parametrize(
    ("response", "evidence", "unsupported"),
    [
        ("`a.py`", "data.py", ["a.py"]),
        ("`src/a.py`", "src/b.py and lib/a.py", ["src/a.py"]),
        ("`--no-cache`", "--no-cache-dir", ["--no-cache"]),
        ("`uv run mypy --strict`", "uv run pytest", ["uv run mypy", "--strict"]),
        ("`FooBar`", "foobar", ["FooBar"]),
        ("`parse`", "parser", ["parse"]),
        ("`pip install tenacity`", "pip install requests", ["tenacity"]),
    ],
    ids=["part-of-name", "other-folder", "longer-flag", "command", "case", "part-of-word", "package"],
)
def test_invention_is_listed(response: str, evidence: str, unsupported: list[str]) -> None:
    assert check_references(response, make_trace(evidence)).unsupported == unsupported


def test_tool_arguments_are_unescaped_and_lists_joined() -> None:
    calls = (
        ToolCall("1", "Edit", '{"file_path": "x.py", "new_string": "def f():\\n\\treturn deep_name()"}'),
        ToolCall("2", "shell", '{"command": ["uv", "run", "mypy"]}'),
    )
    check = check_references(
        "`deep_name` via `uv run mypy` in `/repo/x.py`, `other_name`", make_trace("go", calls=calls)
    )
    assert (check.unsupported, check.total, check.support) == (["other_name"], 4, 0.75)


def test_a_message_can_be_left_out_of_the_haystack() -> None:
    trace = Trace("t", "codex", "/s", "t", (Message("user", "go", "human"), Message("assistant", "see made_up_name")))
    assert check_references("`made_up_name`", build_haystack(trace)).unsupported == []
    assert check_references("`made_up_name`", build_haystack(trace, 1)).unsupported == ["made_up_name"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab_AB./-`~@:*=( )\n0\"'[]+\\|", max_size=300))
def test_any_text_is_read_the_same_way_twice(text: str) -> None:
    references = find_references(text)
    assert references == find_references(text)
    assert len({item.value for item in references}) == len(references)


@pytest.mark.parametrize(
    "piece",
    ["a.", "a-", "AAAA_", "a/", "+", "_a", "A", "`", "Aa", ".-a", "```\n", "pip install a ", "a:a ", "::", "@a/"],
)
def test_hostile_text_takes_no_time(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    start = time.perf_counter()
    find_references(text)
    find_references(f"`{text[:150]}`\n```python\n{text}\n```")
    assert time.perf_counter() - start < 3.0
