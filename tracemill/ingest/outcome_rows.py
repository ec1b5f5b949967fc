"""The rows of a file of outcomes, JSON lines or CSV with a header, each a mapping from the names of its columns.

Names of columns are in lower case with ``_`` between their words, whatever they were; CSV may have ``;`` or tabs
between its cells. What a program would have to guess at is refused: a column that stands twice, a quote that nothing
closes, bytes that are not the text of any UTF.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tracemill.errors import ConfigError

ID_COLUMNS = ("trace_id", "session_id")
PATH_COLUMNS = ("path", "source_path", "file")
OUTCOME_COLUMNS = ("success", "reward", "task_id")
#: What such a file holds, for messages.
EXPECTED = "give JSON lines, or CSV with a header, of trace_id or path and of success, reward or task_id"

_COLUMNS = frozenset((*ID_COLUMNS, *PATH_COLUMNS, *OUTCOME_COLUMNS))
_DELIMITERS = (",", ";", "\t")
#: The longer marks first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands, with names that stand twice."""


def read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows that hold something; lines end at a line feed alone, as JSON text is free to hold the other characters
    that end lines for some programs.

    Raises:
        ConfigError: the file cannot be read, or it is not clear what a row says.
    """
    if path.is_dir():
        raise ConfigError(f"--outcomes {path}: is a folder; name a file")
    text = _read_text(path)
    yield from _read_table(path, text) if path.suffix.lower() in (".csv", ".tsv") else _read_lines(path, text)


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--outcomes {path}: cannot be read: {error.strerror or error}") from None
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"--outcomes {path}: byte {error.start + 1} is no {encoding.removesuffix('-sig').upper()} text; save the "
            "file as UTF-8"
        ) from None
    if "\0" in text:
        raise ConfigError(f"--outcomes {path}: holds NUL characters and is no UTF-8 text; save the file as UTF-8")
    return text


def _read_lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line:
            continue
        where = f"--outcomes {path}, line {number}"
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            pairs = None
        if not isinstance(pairs, _Pairs):
            raise ConfigError(f"{where}: no JSON object; give JSON lines, or CSV named *.csv")
        yield dict(zip(_name_columns([name for name, _ in pairs], where), (value for _, value in pairs), strict=True))


def _read_table(path: Path, text: str) -> Iterator[dict[str, Any]]:
    rows = list(_read_cells(path, text))
    names = _name_columns(rows[0], f"--outcomes {path}, header") if rows else []
    for number, cells in enumerate(rows[1:], 1):
        if any(cells[len(names) :]):
            raise ConfigError(
                f"--outcomes {path}, row {number}: {len(cells)} cells under a header of {len(names)}; "
                "put a cell that holds a comma in quotes"
            )
        yield dict(zip_longest(names, cells[: len(names)]))


def _read_cells(path: Path, text: str) -> Iterator[list[str]]:
    """The cells of each line that has any. Strict: without it, a quote that is not closed takes in what follows."""
    delimiter, first_line = _find_delimiter(text), 1
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        try:
            line = next(reader, None)
        except csv.Error as error:
            raise ConfigError(
                f"--outcomes {path}, line {first_line}: cannot be read as CSV ({error}); close the quotes of each cell "
                "and write a quote inside them twice"
            ) from None
        if line is None:
            return
        first_line = reader.line_num + 1
        if any(cells := [cell.strip() for cell in line]):
            yield cells


def _find_delimiter(text: str) -> str:
    """What stands between the cells of the header: that which gives the most names that are known."""

    def count_known(delimiter: str) -> int:
        try:
            header = next(csv.reader(StringIO(text.lstrip(), newline=""), delimiter=delimiter), [])
        except csv.Error:  # a cell too long for the module
            return 0
        return sum(_name_column(name) in _COLUMNS for name in header)

    return max(_DELIMITERS, key=count_known)


def _name_columns(names: Sequence[str], where: str) -> list[str]:
    """The names of columns; of those that mean something here, each once."""
    known = [_name_column(name) for name in names]
    for number, name in enumerate(known):
        if name in _COLUMNS and name in known[:number]:
            raise ConfigError(f"{where}: {name} stands there twice; leave one of them out")
    return known


def _name_column(name: str) -> str:
    return "_".join(name.lower().replace("-", " ").split())
