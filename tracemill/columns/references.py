"""Whether a response names things that its trace does not hold.

Output columns of a recipe: ``unsupported_references`` (list of strings) and ``reference_support`` (share of references
that the trace holds, 0 to 1, null where the response has none). Input: a response and the whole ``Trace``.

A reference is a path, a command, a flag, a URL, a package or a code identifier. Words that everyone knows (``git
status``, ``null``, ``GitHub``) are none. A path is supported by any path that ends in it, a command by its first words.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracemill.columns.haystack import Haystack, build_haystack
from tracemill.columns.reference_finder import Reference, ReferenceKind, find_references
from tracemill.trace import Trace

__all__ = [
    "Haystack", "Reference", "ReferenceCheck", "ReferenceKind", "build_haystack", "check_references", "find_references",
    "is_supported",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """``unsupported``: values that the trace does not hold, by first occurrence. ``support``: share of the ``total``
    references that it holds, None where there is none."""

    unsupported: list[str]
    support: float | None
    total: int


def check_references(text: str, trace: Trace | Haystack) -> ReferenceCheck:
    """Look up every reference of ``text`` in a trace, or in a haystack that was built once for several texts."""
    references = find_references(text)
    if not references:
        return ReferenceCheck([], None, 0)
    haystack = build_haystack(trace) if isinstance(trace, Trace) else trace
    unsupported = [item.value for item in references if not is_supported(item, haystack)]
    return ReferenceCheck(unsupported, round(1 - len(unsupported) / len(references), 4), len(references))


def is_supported(reference: Reference, haystack: Haystack) -> bool:
    """Whether the haystack holds a reference, by the rule of its kind."""
    value = reference.value
    match reference.kind:
        case "path":
            return _holds_path(value, haystack)
        case "command":
            return _holds_command(value, haystack)
        case "flag":
            return haystack.holds(value, "-")
        case "url":
            bare = value.split("://", 1)[-1].removeprefix("www.")
            return haystack.contains(bare)
        case "package":
            forms = (value, value.lower(), value.replace("-", "_"), value.replace("_", "-"))
            return any(haystack.holds(form) for form in forms)
        case "identifier":
            return _holds_identifier(value, haystack)


def _holds_path(value: str, haystack: Haystack) -> bool:
    value = value.removeprefix("~/").rstrip("/")
    if "*" in value:
        value = value.split("*", 1)[0].rpartition("/")[0]
    value = value.lstrip("/") if value.count("/") > 1 else value
    if not value or haystack.holds(value, "-") or (haystack.cwd and haystack.cwd.endswith("/" + value)):
        return True
    inside = f"/{value}".removeprefix(haystack.cwd).lstrip("/") if haystack.cwd else ""
    if inside and inside != value and haystack.holds(inside, "-"):
        return True
    if "/" not in value and haystack.holds(value[0].lower() + value[1:], "-"):  # `Package.json` at the start of a line
        return True
    if haystack.contains("├── ") and "/" in value:  # a drawn tree names every folder apart
        return all(haystack.holds(part, "-") for part in value.split("/") if part)
    parent, _, name = value.rpartition("/")
    folder = parent.rpartition("/")[2]
    if not folder or not haystack.holds(name, "-"):
        return False
    # a listing of a folder (`ls -R`, `cd src && ls`) names folder and file apart
    return any(haystack.contains(mark) for mark in (f"{folder}:\n", f"cd {folder}", f"/{folder} &&", f"ls {parent}"))


def _holds_command(value: str, haystack: Haystack) -> bool:
    if haystack.holds(value):
        return True
    words = value.split()
    if len(words) == 3 and words[1] == "run":  # a script that package.json names
        return haystack.contains(f'"{words[2]}":') or haystack.holds(f"{words[0]} {words[2]}")
    if len(words) == 2 and words[0] in ("make", "just"):
        return haystack.contains(f"\n{words[1]}:")
    if len(words) == 2 and words[0] in ("npm", "yarn", "pnpm", "bun"):
        return haystack.contains(f'"{words[1]}":')
    return False


def _holds_identifier(value: str, haystack: Haystack) -> bool:
    if haystack.holds(value):
        return True
    if value.isalpha() and value.islower():  # a plain word in backticks: its case is no claim
        return haystack.holds(value.capitalize()) or haystack.holds(value.upper())
    parts = [part for part in value.replace("::", ".").split(".") if part]
    if len(parts) > 1:  # `Clock.now` is supported by `class Clock` with `def now`
        return all(haystack.holds(part) for part in parts)
    return len(value) > 4 and value.endswith("s") and haystack.holds(value[:-1])
