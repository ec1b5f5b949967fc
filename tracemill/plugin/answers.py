"""A model's answer → the object that its schema asks for, or what is wrong with it.

JSON is found where models put it: alone, in a Markdown fence of any label, or after and before prose. Keys that the
schema does not have are dropped; anything else that does not fit is an error, told so that the model can mend it. JSON
that is cut is never completed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from pydantic import BaseModel, ValidationError

_FENCE = re.compile(r"```[A-Za-z]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_decode = msgspec.json.Decoder().decode

#: Turns an answer into a JSON object. Raises AnswerError.
ReadAnswer = Callable[[str], dict[str, Any]]


class AnswerError(ValueError):
    """An answer that cannot be used; ``str(error)`` says what is wrong with it."""


def build_schema_reader(schema: Mapping[str, Any]) -> ReadAnswer:
    """A reader of answers that must fit a JSON schema, which is compiled once."""
    validator = Draft202012Validator(dict(schema))

    def read(answer: str) -> dict[str, Any]:
        value = _prune(find_object(answer), schema, schema.get("$defs", {}))
        error = best_match(validator.iter_errors(value))
        if error is not None:
            raise AnswerError(f"it does not fit the schema: {_name_place(error.absolute_path)}{error.message}")
        return value

    return read


def build_model_reader(model: type[BaseModel]) -> ReadAnswer:
    """A reader of answers that must fit a Pydantic model; the value is the model's JSON form."""

    def read(answer: str) -> dict[str, Any]:
        try:
            return model.model_validate(find_object(answer)).model_dump(mode="json")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise AnswerError(f"it does not fit the schema: {_name_place(first['loc'])}{first['msg']}") from None

    return read


def find_object(answer: str) -> dict[str, Any]:
    """The JSON object in an answer; the last one, where several stand in fences.

    Raises:
        AnswerError: there is none.
    """
    text = answer.strip()
    if not text:
        raise AnswerError("it is empty")
    candidates = [text, *reversed(_FENCE.findall(text)), text[text.find("{") : text.rfind("}") + 1]]
    for candidate in candidates:
        if not candidate.lstrip().startswith("{"):
            continue
        try:
            value = _decode(candidate.encode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise AnswerError("it holds no complete JSON object")


def _prune(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Drop the keys that an object schema does not have, all the way down."""
    if "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
    if isinstance(value, dict) and "properties" in schema:
        known: Mapping[str, Any] = schema["properties"]
        return {key: _prune(item, known[key], definitions) for key, item in value.items() if key in known}
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_prune(item, schema["items"], definitions) for item in value]
    return value


def _name_place(path: Any) -> str:
    place = ".".join(str(part) for part in path)
    return f"{place}: " if place else ""
