"""What a Codex rollout says about itself: ids, the parent of a sub-agent, git, tools, base instructions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tracemill.ingest.codex.file import pick_text
from tracemill.ingest.json_fields import as_list, as_record, get_text

_NAMED_ID = re.compile(r"^rollout-.*[T-]\d\d-\d\d-\d\d-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
#: Beside ``source``, what tells of a sub-agent.
_SUB_AGENT_KEYS = ("parent_thread_id", "forked_from_id", "thread_source")


class CodexIdentity(msgspec.Struct, frozen=True, gc=False):
    """Ids of a session.

    ``parent_id`` is set for sub-agents that name it; ``root_id`` is the top-most id that is known.
    """

    session_id: str
    root_id: str
    parent_id: str | None
    is_sub_agent: bool


def identify(meta: dict[str, Any] | None, path: Path) -> CodexIdentity:
    """The identity that the first ``session_meta`` of a file gives it; the file's name where it has none."""
    if meta is None:
        named = _read_name(path)
        return CodexIdentity(named, named, None, False)
    session_id = get_text(meta, "id", "session_id") or _read_name(path)
    if not isinstance(meta.get("source"), dict) and meta.keys().isdisjoint(_SUB_AGENT_KEYS):
        return CodexIdentity(session_id, session_id, None, False)
    parent = get_text(_find_spawn(meta), "parent_thread_id") or get_text(meta, "parent_thread_id", "forked_from_id")
    parent = None if parent == session_id else parent
    is_sub_agent = parent is not None or meta.get("thread_source") == "subagent"
    is_sub_agent = is_sub_agent or "subagent" in as_record(meta.get("source"))
    root = session_id
    if is_sub_agent:
        shared = get_text(meta, "session_id")  # sub-agents of sub-agents share the session of the first
        root = shared if shared is not None and shared != session_id else parent or session_id
    return CodexIdentity(session_id, root, parent, is_sub_agent)


def _read_name(path: Path) -> str:
    """The id in a file's name, as Codex gives it; else the whole name."""
    named = _NAMED_ID.search(path.stem)
    return path.stem if named is None else named[1]


def get_agent_id(meta: dict[str, Any]) -> str | None:
    """The name of a sub-agent among its siblings."""
    return get_text(_find_spawn(meta), "agent_path") or get_text(meta, "agent_path")


def get_base_instructions(meta: dict[str, Any]) -> str | None:
    """The system prompt; early versions keep it, or the user's standing instructions, under ``instructions``."""
    base = meta.get("base_instructions")
    return pick_text(base if isinstance(base, str) else as_record(base).get("text"), meta.get("instructions"))


def read_git(meta: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Branch, commit and repository of the folder that the session worked in."""
    git = as_record(meta.get("git"))
    if not git:
        return None, None, None
    return get_text(git, "branch"), get_text(git, "commit_hash"), get_text(git, "repository_url")


def name_tool(namespace: Any, name: str) -> str:
    """One name for a tool in a namespace, as in ``mcp__server__tool``."""
    if not isinstance(namespace, str) or not namespace or name.startswith(namespace):
        return name
    return f"{namespace}{name}" if namespace.endswith("_") else f"{namespace}__{name}"


def read_tools(meta: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The tool definitions that the session was given beyond Codex's own, as OpenAI writes them."""
    declared = meta.get("dynamic_tools")
    if not declared:
        return ()
    values = as_list(declared) or [declared]
    tools: list[dict[str, Any]] = []
    for value in values:
        entry = as_record(value)
        inner = as_list(entry.get("tools"))
        group = get_text(entry, "name") if inner else None
        for tool in map(as_record, inner or [entry]):
            name = get_text(tool, "name")
            if name is None:
                continue
            schema = as_record(tool.get("inputSchema")) or as_record(tool.get("parameters"))
            body = {
                "name": name_tool(get_text(tool, "namespace") or group, name),
                "description": get_text(tool, "description") or "",
                "parameters": schema or {"type": "object"},
            }
            tools.append({"type": "function", "function": body})
    return tuple(tools)


def name_source(meta: dict[str, Any]) -> str | None:
    """Where the session was started from: ``cli``, ``vscode``, ``subagent:review``, …"""
    source = meta.get("source")
    if isinstance(source, str):
        return source or None
    for kind, value in as_record(source).items():
        if isinstance(value, str):
            return f"{kind}:{value}"
        return f"{kind}:{next(iter(as_record(value)), '')}".rstrip(":")
    return None


def _find_spawn(meta: dict[str, Any]) -> dict[str, Any]:
    source = meta.get("source")
    if not isinstance(source, dict):
        return {}
    return as_record(as_record(as_record(source).get("subagent")).get("thread_spawn"))
