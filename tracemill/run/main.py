"""The command line behind ``recipe.py``: picks a recipe or a command, turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tracemill.errors import EXIT_INTERRUPTED, EXIT_USAGE, ConfigError, TracemillError
from tracemill.run.output import RecipeModule
from tracemill.run.terminal import LogFormatter, Terminal, discard_rest

DEFAULT_RECIPE = "agent_rollout_distillation"


def main(root: Path, arguments: Sequence[str]) -> int:
    """Run one command line; ``root`` is the folder that holds ``recipes/``. Returns the exit code."""
    terminal = Terminal()
    try:
        code = run_command(root, list(arguments), terminal)
        terminal.out.flush()
        return code
    except TracemillError as error:
        terminal.note(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone: nothing is wrong
        discard_rest(terminal.out)
        return 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        terminal.note(f"error: {place}{error.strerror or error}")
        try:
            terminal.out.flush()
        except OSError:
            discard_rest(terminal.out)
        return EXIT_USAGE


def run_command(root: Path, arguments: list[str], terminal: Terminal) -> int:
    """The exit code of one command line.

    Raises:
        TracemillError: what the user can mend.
    """
    _set_up_logging()
    if "--list-formats" in arguments or "--list-models" in arguments:
        from tracemill.run import listings

        terminal.say(listings.list_formats() if "--list-formats" in arguments else listings.list_models())
        return 0
    loader = RecipeLoader(root)
    if arguments[:1] == ["merge"]:
        from tracemill.run.merge import run_merge

        return run_merge(arguments[1:], loader.load, terminal)
    if arguments[:1] == ["inspect"]:
        from tracemill.run.inspect import run_inspect

        return run_inspect(arguments[1:], terminal)
    if arguments[:1] == ["audit"]:
        from tracemill.run.audit import run_audit

        return run_audit(arguments[1:], terminal)
    if arguments[:1] == ["push"]:
        from tracemill.run.hub import run_push

        return run_push(arguments[1:], terminal)
    recipe = arguments.pop(0) if arguments and not arguments[0].startswith("-") else DEFAULT_RECIPE
    if recipe not in loader.list_names():
        known = ", ".join(loader.list_names())
        raise ConfigError(f"no recipe {recipe!r}; there are {known} (and the commands audit, inspect, merge and push)")
    from tracemill.run.options import parse_options

    options = parse_options(recipe, arguments)
    from tracemill.run.command import run_recipe

    return run_recipe(options, loader.load(recipe), [root / "recipes", root / "schemas"], terminal)


class RecipeLoader:
    """Finds recipes by listing the folder ``recipes/``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list_names(self) -> list[str]:
        """The names of all recipes, sorted."""
        return sorted(path.stem for path in (self._root / "recipes").glob("*.py") if not path.stem.startswith("_"))

    def load(self, name: str) -> RecipeModule:
        """Import a recipe."""
        return importlib.import_module(f"recipes.{name}")  # pyright: ignore[reportReturnType]


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(LogFormatter("%(message)s"))
    for noisy in ("data_designer", "httpx", "httpx_retries"):  # they log what tracemill counts and reports itself
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
