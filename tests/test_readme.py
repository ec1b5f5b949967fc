"""What the README says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracemill.ingest import SOURCES
from tracemill.run.main import RecipeLoader
from tracemill.run.providers import PRESETS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def read_rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_formats_is_the_tuple_of_sources() -> None:
    expected = [
        [
            f"`{source.name}`",
            source.title,
            ", ".join(f"`{place}`" for place in (source.default_dir, *source.default_files) if place)
            or "(needs `--trace-dir`)",
        ]
        for source in SOURCES
    ]
    assert read_rows("Formats") == expected


def test_the_table_of_recipes_lists_the_folder() -> None:
    named = [re.sub(r"`(\w+)`.*", r"\1", row[0]) for row in read_rows("Recipes")]
    assert named == RecipeLoader(ROOT).list_names()


def test_every_provider_and_its_key_are_named() -> None:
    text = " ".join(cell for row in read_rows("Models") for cell in row)
    for preset in PRESETS:
        assert f"`{preset.name}`" in text
        assert preset.key_variable is None or f"`{preset.key_variable}`" in text


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_format_has_samples(source) -> None:
    folder = ROOT / "examples" / source.name
    assert [path for path in folder.rglob("*") if path.is_file() and source.is_session_file(path)]


def test_the_tree_names_what_is_there() -> None:
    tree = README.split("## The tree\n", 1)[1].split("```")[1]
    names = re.findall(r"^(?:  )?([\w.]+/?)(?=\s{2,})", tree, flags=re.MULTILINE)
    missing = [name for name in names if not (ROOT / name).exists() and not (ROOT / "tracemill" / name).exists()]
    assert names
    assert missing == []


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = README.split("```python\n", 1)[1].split("```", 1)[0]
    scope: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["builder"] is not None
