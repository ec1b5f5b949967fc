"""A user's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracemill.errors import ConfigError
from tracemill.redact import Redactor, load_rules


def write(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_rules_of_a_file_replace_their_group_or_their_match(tmp_path: Path) -> None:
    rules = load_rules(write(tmp_path, "[rules]\nemployee_id = 'EMP-(\\d{6})'\nticket = 'TK-[A-Z]{4}'\n"))
    redacted = Redactor(rules).redact_text("EMP-004711 opened TK-ABCD")
    assert redacted.startswith("EMP-[REDACTED_EMPLOYEE_ID_")
    assert "004711" not in redacted
    assert "TK-ABCD" not in redacted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules", "no TOML"),
        ("[other]\na = 'b'\n", "one table"),
        ("[rules]\n", "one table"),
        ("[rules]\na_b = 3\n", "'a_b'"),
        ("[rules]\na_b = ''\n", "not empty"),
        ("[rules]\nBad-Kind = 'x'\n", "snake_case"),
        ("[rules]\na_b = '('\n", "no regular expression"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_rules(tmp_path / "none.toml")
