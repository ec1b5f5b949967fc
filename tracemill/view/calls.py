"""Tool calls as people would name them: what kind of act it was, on what, and how it ended.

Every agent names its tools in its own way (``Bash``, ``exec_command``, ``terminal``); here they become a few kinds, so
that the trace view and the signals can treat edits, tests and errors alike whatever agent wrote the trace.

Nothing here reads a whole result: at most ``scan_chars`` from either end of it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import msgspec

from tracemill.trace import Message, ToolCall, Trace
from tracemill.view.results import CallResult, TestVerdict, read_result

CallKind = Literal["edit", "test", "run", "look", "web", "plan", "delegate", "other"]

DEFAULT_SCAN_CHARS = 4_000

_NAMES_BY_KIND: Mapping[CallKind, str] = {
    "edit": "edit multiedit write write_file edit_file apply_patch create_file notebookedit patch str_replace insert"
    " replace update_file delete_file append_file search_replace multi_edit str_replace_based_edit_tool"
    " str_replace_editor",
    "run": "bash shell exec_command shell_command terminal run_terminal run_terminal_cmd shell_exec exec execute_bash"
    " execute bash_command local_shell_call local_shell run_command execute_command write_stdin run python ipython js"
    " run_terminal_command execute_code code_interpreter",
    "look": "read read_file view open cat grep glob ls list list_files list_dir list_directory search search_files"
    " find file_search tool_search_call toolsearch codebase_search grep_search view_file view_image bashoutput"
    " notebookread get_file read_many_files search_file_content",
    "web": "websearch webfetch web_search web_search_call web_fetch fetch browser_navigate navigate open_url"
    " web_extract browser_snapshot browser_click",
    "plan": "todowrite todo update_plan todo_write exitplanmode think memory enterplanmode",
    "delegate": "task agent spawn_agent wait_agent delegate dispatch_agent delegate_task",
}
_KIND_OF_NAME: Mapping[str, CallKind] = {name: kind for kind, names in _NAMES_BY_KIND.items() for name in names.split()}

_COMMAND_KEYS = ("command", "cmd", "keystrokes", "chars", "script", "code", "source")
_PATH_KEYS = ("file_path", "path", "notebook_path", "filename", "file", "rel_path", "target_file")
_SUBJECT_KEYS = (*_PATH_KEYS, "pattern", "query", "queries", "url", "glob", "description", "title", "prompt", "message")
_OLD_KEYS = ("old_string", "oldText", "old_str", "old_text")
_NEW_KEYS = ("new_string", "newText", "new_str", "new_text", "content", "file_text", "new_source", "contents")

_TEST_COMMAND = re.compile(
    r"\b(?:pytest|py\.test|unittest|tox|nox|jest|vitest|mocha|rspec|phpunit|ctest|go test|cargo (?:nextest|test|t)"
    r"|(?:npm|pnpm|yarn|bun|deno)(?: run)? (?:test|t)\b|node --test|(?:make|just|task) (?:\S+ )?(?:test|check)"
    r"|(?:mvn|mvnw|gradle|gradlew|\./gradlew|xcodebuild)\b[^|;&]{0,200}\btest|dotnet test|swift test|playwright test"
    r"|mix test)"
)
_LOOK_COMMAND = re.compile(
    r"^\s*(?:cd [^&;|]+(?:&&|;)\s*)?(?:ls|cat|head|tail|grep|rg|find|fd|tree|wc|pwd|stat|file|du|which|type|nl|echo"
    r"|sed -n|jq|git (?:status|log|diff|show|branch|blame|remote|rev-parse|ls-files))\b"
)
_SHELL_EDIT = re.compile(
    r"\bsed -i|\bapply_patch\b|\bcat\s*>{1,2}\s*[^\s&|]+|\btee\s+(?:-a\s+)?[\w./]|\bgit apply\b|\bperl -pi"
)
_SHELL_EDIT_PATH = re.compile(
    r"(?:\bcat\s*>{1,2}\s*|\btee\s+(?:-a\s+)?|\bsed -i[^;&|\n]{0,300}?\s)[\"']?"
    r"([\w./~-]{0,200}\w\.\w+)(?=[\s\"'&|;<]|$)"
)
_PATCH_FILE = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
_PATCH_LINE = re.compile(r"^[+-](?![+-]{2} ).*$", re.MULTILINE)


class Call(msgspec.Struct, frozen=True, gc=False):
    """One tool call with its result.

    ``number`` counts from 1 over the trace, ``index`` is the message's place in it. ``subject`` is what the call was
    about, on one line; ``changes`` the head of what an edit took out and put in; ``paths`` the files that it edited.
    """

    number: int
    index: int
    name: str
    kind: CallKind
    subject: str
    changes: str
    paths: tuple[str, ...]
    result: CallResult

    @property
    def tests(self) -> TestVerdict | None:
        """``passed`` or ``failed`` where the call ran tests and the output says how they ended, else None."""
        return self.result.tests


def read_calls(trace: Trace, scan_chars: int = DEFAULT_SCAN_CHARS) -> list[Call]:
    """All tool calls of a trace in order. ``scan_chars``: how much of an argument or a result is looked at."""
    results: dict[str, deque[Message]] = {}
    for message in trace.messages:
        if message.role == "tool" and message.tool_call_id:
            results.setdefault(message.tool_call_id, deque()).append(message)
    calls: list[Call] = []
    cwd = (trace.cwd or "").rstrip("/")
    for index, message in enumerate(trace.messages):
        for call in message.tool_calls:
            waiting = results.get(call.id)  # an id can come twice in a trace: the first call gets the first result
            result = waiting.popleft() if waiting else None
            calls.append(_read_call(len(calls) + 1, index, call, result, scan_chars, cwd))
    return calls


def decode_arguments(raw: str) -> dict[str, Any]:
    """The arguments of a call as an object; empty where they are no JSON object."""
    if raw.lstrip()[:1] != "{":
        return {}
    try:
        value: Any = msgspec.json.decode(raw.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        try:
            value = json.loads(raw, strict=False)
        except (ValueError, RecursionError):
            return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def squeeze_text(text: str, limit_chars: int) -> str:
    """The head of a text on one line: runs of whitespace become one space."""
    return " ".join(text[:limit_chars].split())


def _read_call(number: int, index: int, call: ToolCall, message: Message | None, scan: int, cwd: str) -> Call:
    arguments = decode_arguments(call.arguments)
    short_name = call.name.rsplit("__", 1)[-1].rsplit(".", 1)[-1].lower()
    kind: CallKind = _KIND_OF_NAME.get(short_name, "other")
    command = _find_command(arguments, call.arguments if kind == "run" and not arguments else "")
    if kind in ("run", "other") and command:
        kind = _classify_command(command[:scan])
    if short_name.startswith("str_replace") and arguments.get("command") == "view":
        kind = "look"
    result = read_result(
        message, is_test=kind == "test", is_run=kind in ("run", "test"), command=command[:200], scan=scan
    )
    if kind == "run" and result.tests is not None:
        kind = "test"
    changes, paths = _describe_edit(arguments, command or call.arguments, scan) if kind == "edit" else ("", ())
    subject = _describe_subject(arguments, command, call.arguments, paths, scan)
    if cwd:
        subject = subject.replace(f"cd {cwd} && ", "").replace(f"{cwd}/", "")
    return Call(number, index, call.name, kind, subject, changes, paths, result)


def _find_command(arguments: Mapping[str, Any], fallback: str) -> str:
    for key in _COMMAND_KEYS:
        value = arguments.get(key)
        if isinstance(value, str) and value and not (key == "command" and "path" in arguments):
            return value
        if isinstance(value, list) and value:
            words = [str(word) for word in cast("list[Any]", value)]
            is_shell = len(words) == 3 and words[1] in ("-c", "-lc")
            return words[2] if is_shell else " ".join(words)
    return fallback


def _classify_command(command: str) -> CallKind:
    if _LOOK_COMMAND.match(command) and not _SHELL_EDIT.search(command):
        return "look"
    if _TEST_COMMAND.search(command):
        return "test"
    return "edit" if _SHELL_EDIT.search(command) else "run"


def _describe_edit(arguments: Mapping[str, Any], raw: str, scan: int) -> tuple[str, tuple[str, ...]]:
    """The head of what was taken out and put in, and the files, of an edit in any of the known shapes."""
    text = next((value for key in ("input", "patch") if isinstance(value := arguments.get(key), str)), raw)
    if "*** Begin Patch" in text[:scan]:
        head = text[: 20 * scan]
        lines = " ".join(_PATCH_LINE.findall(text[:scan]))
        return squeeze_text(lines, scan), tuple(dict.fromkeys(item.strip() for item in _PATCH_FILE.findall(head)))
    paths = tuple(str(arguments[key]) for key in _PATH_KEYS if isinstance(arguments.get(key), str))[:1]
    if not paths and not any(key in arguments for key in _NEW_KEYS):
        return "", tuple(dict.fromkeys(_SHELL_EDIT_PATH.findall(raw[:scan])))
    edits = arguments.get("edits")
    parts = cast("list[Any]", edits) if isinstance(edits, list) else [arguments]
    shown = [_describe_change(cast("dict[str, Any]", part), scan) for part in parts[:8] if isinstance(part, dict)]
    return " ; ".join(item for item in shown if item)[:scan], paths


def _describe_change(part: Mapping[str, Any], scan: int) -> str:
    old = next((str(part[key]) for key in _OLD_KEYS if part.get(key)), "")
    new = next((str(part[key]) for key in _NEW_KEYS if part.get(key)), "")
    pieces = [f"- {squeeze_text(old, scan // 4)}"] if old else []
    if new:
        size = f" ({len(new):,} characters)" if len(new) > scan // 4 and not old else ""
        pieces.append(f"+ {squeeze_text(new, scan // 4)}{size}")
    return " ".join(pieces)


def _describe_subject(arguments: Mapping[str, Any], command: str, raw: str, paths: tuple[str, ...], scan: int) -> str:
    if command and "Begin Patch" not in command[:200]:
        return squeeze_text(command, scan)
    if paths:
        return ", ".join(paths)[:scan]
    if not arguments:
        return squeeze_text(raw, scan) if raw.strip() not in ("", "{}", "null") else ""
    return squeeze_text(" ".join(_list_values(arguments, scan)), scan)


def _list_values(arguments: Mapping[str, Any], scan: int) -> Iterator[str]:
    """The values that say most first and bare, the others as ``key=value``, as far as ``scan`` characters go."""
    left = scan
    for key in (
        *(key for key in _SUBJECT_KEYS if key in arguments),
        *(key for key in arguments if key not in _SUBJECT_KEYS),
    ):
        if left <= 0:
            return
        value = _show_value(arguments[key], left)
        shown = value if key in _SUBJECT_KEYS else f"{key}={value}"
        if value:
            left -= len(shown) + 1
            yield shown


def _show_value(value: Any, limit: int) -> str:
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        shown = "; ".join(_show_value(item, limit // 4) for item in items[:12])
        return f"[{len(items)}: {shown}]"[:limit] if len(items) > 1 else shown[:limit]
    if isinstance(value, dict):
        pairs = list(cast("dict[str, Any]", value).items())[:6]
        return " ".join(_show_value(item, limit // 2) for _, item in pairs if not isinstance(item, dict))[:limit]
    return "" if value is None else str(value)[:limit]
