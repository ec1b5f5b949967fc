"""``--estimate``: traces, model calls, input tokens and price of a run, without calling a model.

The views of all traces are rendered, as a run would; the later prompts are taken at a size that the schemas bound.
Tokens are characters divided by four, which is near for English text and code.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tracemill.run.options import Options
from tracemill.run.output import RecipeModule
from tracemill.run.reading import list_inputs, read_traces
from tracemill.view import render_view

CHARS_PER_TOKEN = 4
#: Characters of a digest or record as models write them (the schemas ask for about 220 words of response).
WRITTEN_CHARS = 2_500
#: Characters that a schema and its instructions add to a prompt.
SCHEMA_CHARS = 2_500


def estimate_run(options: Options, module: RecipeModule) -> str:
    """A few lines that say what the run would take.

    Raises:
        InputError: there is nothing to read.
    """
    with tempfile.TemporaryDirectory(prefix="tracemill-") as name:
        reading = read_traces(options, list_inputs(options), Path(name) / "store")
        views = [len(render_view(trace, options.view_chars).text) for trace in reading.store.iterate()]
        reading.store.close()
    traces, columns = len(views), module.OUTPUT.model_columns
    calls = 0 if options.offline else traces * len(columns)
    prompt_chars = sum(len(text) for text in module.PROMPTS.texts.values()) + SCHEMA_CHARS * len(columns)
    follow_up = WRITTEN_CHARS * (len(columns) - 1) * 1.5
    input_tokens = 0 if options.offline else int((sum(views) + traces * (prompt_chars + follow_up)) / CHARS_PER_TOKEN)
    output_tokens = int(calls * WRITTEN_CHARS / CHARS_PER_TOKEN)
    lines = [f"traces         {traces:>12,}", f"model calls    {calls:>12,}"]
    lines += [f"input tokens   {input_tokens:>12,}  (about)", f"output tokens  {output_tokens:>12,}  (about)"]
    if options.input_price is not None or options.output_price is not None:
        cost = (input_tokens * (options.input_price or 0) + output_tokens * (options.output_price or 0)) / 1e6
        lines.append(f"price          {cost:>12,.2f}  US dollars (about)")
    else:
        lines.append("price          give --input-price and --output-price (US dollars per million tokens)")
    return "\n".join(lines)
