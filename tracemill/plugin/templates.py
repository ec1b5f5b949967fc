"""Prompt templates and expressions, compiled once.

Data Designer compiles a template for every render; here it is done once a column. The sandbox is Jinja2's own. Where a
run asks for Data Designer's SECURE mode, its own renderer is used instead (see ``cells``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment


@lru_cache(maxsize=1)
def build_environment() -> ImmutableSandboxedEnvironment:
    """The sandbox that prompts and expressions run in; an unknown name is an error, never an empty string."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
    environment.filters["tojson"] = _dump_json
    return environment


@lru_cache(maxsize=256)
def find_variables(template: str) -> list[str]:
    """Names that a template reads from outside, sorted. (Data Designer asks for them again with every batch.)"""
    environment = build_environment()
    return sorted(meta.find_undeclared_variables(environment.parse(template)))


def compile_template(template: str) -> Callable[[Mapping[str, Any]], str]:
    """A function that renders the template with a record's values. Values are never themselves rendered."""
    compiled = build_environment().from_string(template)
    return lambda record: compiled.render(record)


def compile_expression(expression: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function that evaluates a Jinja2 expression and returns its Python value (None, list, int, …)."""
    compiled = build_environment().compile_expression(expression, undefined_to_none=True)
    return lambda record: compiled(record)


def _dump_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
