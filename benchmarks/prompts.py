"""What the digest's prompt shows of a trace, ours against the plain way's, over a corpus of real traces.

    TRACEMILL_CORPUS=../shared/corpus uv run benchmarks/prompts.py

The corpus is a folder with one folder a format. Each side reads it with its own readers and renders its own prompt;
a file that a side cannot read has no prompt on that side. Both sides' prompts are counted whole: system prompt, user
prompt, and the response schema that Data Designer adds. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.distillation import print_table, write_results
from benchmarks.plain_way import DIGEST_PROMPT, DIGEST_SYSTEM, prepare_environment

#: Format → its folder in the corpus.
FOLDERS = {
    "claude_code": "claude_code",
    "codex": "codex",
    "atif": "atif",
    "hermes_agent": "hermes",
    "pi_coding_agent": "pi",
}
GROUPS: dict[str, Callable[[int], bool]] = {
    "all traces": lambda calls: True,  # noqa: ARG005
    "30 calls or more": lambda calls: calls >= 30,
    "1 to 200 calls": lambda calls: 1 <= calls <= 200,
    "over 200 calls": lambda calls: calls > 200,
}
HEAD = (
    "traces", "side", "prompts", "characters, mean", "characters, largest", "tool calls",
    "shown, % of calls", "shown or counted, % of calls", "shown or counted, least trace %",
)  # fmt: skip
_GROUP_LINE = re.compile(r"^calls (\d+)-(\d+): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One digest prompt. ``shown``: calls with a line or message of their own; ``counted``: those in a group's line."""

    chars: int
    calls: int
    shown: int
    counted: int = 0

    @property
    def share(self) -> float:
        return (self.shown + self.counted) / self.calls if self.calls else 1.0


def list_ours(corpus: Path, view_chars: int) -> Iterator[Prompt]:
    """Our prompts, one a trace."""
    from recipes.agent_rollout_distillation import PROMPTS
    from schemas.agent_rollout_distillation import TraceDigest
    from tracemill.ingest import read_into_store
    from tracemill.ingest.store import read_light_row
    from tracemill.plugin.templates import compile_template
    from tracemill.view import fence, render_view

    suffix = len(_build_recipe(TraceDigest).apply_recipe_to_user_prompt(""))
    render_user = compile_template(PROMPTS.get("trace_digest.user"))
    render_system = compile_template(PROMPTS.get("trace_digest.system"))
    with tempfile.TemporaryDirectory() as folder:
        for name, place in FOLDERS.items():
            store = read_into_store(name, str(corpus / place), Path(folder) / name).store
            for trace in store.iterate():
                view = render_view(trace, view_chars)
                fenced = fence(view.text, "trace_view", "000000000000")
                record = {**read_light_row(trace), "trace_view": fenced}
                counted = sum(int(last) - int(first) + 1 for first, last in _GROUP_LINE.findall(view.text))
                chars = len(render_user(record)) + len(render_system(record)) + suffix
                yield Prompt(chars, view.calls_total, view.calls_shown, counted)


def list_plain(corpus: Path) -> Iterator[Prompt]:
    """The plain way's prompts, one a row of Data Designer's readers; rendered by its own native renderer."""
    from data_designer.config.run_config import JinjaRenderingEngine
    from data_designer.engine.column_generators.utils.prompt_renderer import PromptType, RecordBasedPromptRenderer
    from data_designer.engine.processing.utils import deserialize_json_values

    from schemas.agent_rollout_distillation import TraceDigest

    renderer = RecordBasedPromptRenderer(_build_recipe(TraceDigest), jinja_rendering_engine=JinjaRenderingEngine.NATIVE)
    for name, place in FOLDERS.items():
        for row in _read_plain(name, corpus / place):
            record: dict[str, Any] = deserialize_json_values(row)
            prompt = renderer.render(record=record, prompt_template=DIGEST_PROMPT, prompt_type=PromptType.USER_PROMPT)
            messages = row["messages"]
            ends = messages if len(messages) <= 8 else messages[:4] + messages[-4:]
            shown = sum(len(message.get("tool_calls") or []) for message in ends)
            yield Prompt(len(prompt or "") + len(DIGEST_SYSTEM), row["tool_call_count"], shown)


def _read_plain(name: str, root: Path) -> Iterator[dict[str, Any]]:
    """The rows of Data Designer's reader; a file that it refuses has none."""
    from data_designer.config.seed_source import AgentRolloutFormat
    from data_designer.engine.resources.agent_rollout.registry import get_format_handler

    handler = get_format_handler(AgentRolloutFormat(name))
    context = handler.build_parse_context(root_path=root, recursive=True)
    for path in sorted(root.rglob("*.json*")):
        relative = path.relative_to(root).as_posix()
        if not handler.is_handled_file(relative):
            continue
        try:
            records = handler.parse_file(root_path=root, relative_path=relative, parse_context=context)
        except ValueError:
            continue
        yield from (record.to_dict() for record in records)


def _build_recipe(schema: Any) -> Any:
    from data_designer.engine.models.recipes.response_recipes import StructuredResponseRecipe

    return StructuredResponseRecipe(json_schema=schema.model_json_schema())


def summarise(group: str, side: str, prompts: Sequence[Prompt]) -> list[str]:
    """One line of the table."""
    if not prompts:
        return [group, side, "0", *["–"] * 6]
    chars, calls = [prompt.chars for prompt in prompts], sum(prompt.calls for prompt in prompts)
    shown, counted = sum(prompt.shown for prompt in prompts), sum(prompt.counted for prompt in prompts)
    shares = [f"{100 * part / calls:.1f}" for part in (shown, shown + counted)] if calls else ["–", "–"]
    least = min(prompt.share for prompt in prompts)
    return [group, side, str(len(prompts)), f"{sum(chars) / len(chars):,.0f}", f"{max(chars):,}", f"{calls:,}", *shares,
            f"{100 * least:.0f}"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--view-chars", type=int, default=24_000, help="budget of our view (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table to benchmarks/results/")
    options = parser.parse_args()
    corpus = os.environ.get("TRACEMILL_CORPUS")
    if corpus is None:
        sys.exit("TRACEMILL_CORPUS is not set: name a folder with claude_code/, codex/, atif/, hermes/ and pi/")
    logging.disable(logging.WARNING)  # Data Designer's readers name every record that they pass over
    with tempfile.TemporaryDirectory() as scratch:
        prepare_environment(Path(scratch))
        sides = {"plain": list(list_plain(Path(corpus))), "ours": list(list_ours(Path(corpus), options.view_chars))}
    table = [
        summarise(group, side, [prompt for prompt in prompts if is_in(prompt.calls)])
        for group, is_in in GROUPS.items()
        for side, prompts in sides.items()
    ]
    lines = print_table(HEAD, table)
    if options.write:
        write_results("prompts", f"Prompts (views of {options.view_chars:,} characters)", lines)


if __name__ == "__main__":
    main()
