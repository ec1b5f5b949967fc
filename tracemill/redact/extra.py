"""A user's own rules of redaction, read from a file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

from tracemill.errors import ConfigError
from tracemill.redact.redactor import Redactor


def load_rules(path: Path) -> tuple[tuple[str, str], ...]:
    """The rules in a TOML file, as ``Redactor(extra=…)`` takes them: a table ``[rules]`` of expressions by kind.

    Raises:
        ConfigError: the file cannot be read, has another shape, or a rule is none.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--redact-extra {path}: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--redact-extra {path}: no TOML: {error}") from None
    table = document.get("rules")
    if not isinstance(table, dict) or not table or set(document) != {"rules"}:
        example = r"employee_id = 'EMP-\d+'"
        raise ConfigError(f"--redact-extra {path}: it holds one table, [rules], with lines such as {example}")
    rules: list[tuple[str, str]] = []
    for kind, pattern in cast("dict[str, Any]", table).items():
        if not isinstance(pattern, str) or not pattern:
            raise ConfigError(f"--redact-extra {path}: rule {kind!r}: an expression is a text that is not empty")
        try:
            Redactor([(kind, pattern)])
        except ValueError as error:
            raise ConfigError(f"--redact-extra {path}: {error}") from None
        rules.append((kind, pattern))
    return tuple(rules)
