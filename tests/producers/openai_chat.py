"""A producer of chat datasets: ``python -m tests.producers.openai_chat`` writes the table of what its rows were.

Rows as OpenAI's fine-tuning reads them (``messages``, ``tools``, ``parallel_tool_calls``, ``weight``; the older
``functions`` and ``function_call``), as datasets add to them (``task_id``, ``success``, ``reward``, ``model``,
``reasoning_content``, arguments as an object), as Parquet that pyarrow writes (every message has every field, null
where it had none), and ShareGPT as LLaMA-Factory's ``data/README.md`` tells it (``from``/``value``, ``function_call``,
``observation``, ``system``, ``tools`` as text). Shares no code with the reader.

What such files do that is easily read wrongly, and is done here: results stand in another order than their calls, ids
are used again in a later turn, a call is the last thing said, a null stands for a missing field, a result has parts.

Choice: a row without an id is known by its place alone; all that stands in the user role was said by a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.producers.openai_chat_talk import TOOLS, Talk, fill, nest, write_messages, write_turns
from tests.producers.truth import Call, Json, Produced, Run, Said, write_table
from tests.producers.words import make_hex, make_text


def make_tuning(random: Random) -> tuple[list[str], Produced]:
    """OpenAI's own shape, with what it allows beside the messages."""
    plans = ("system user answer user answer", "user asked", "system user two answer", "user three call answer",
             "system user call two answer user call answer", "user")  # fmt: skip
    lines: list[str] = []
    produced = Produced("tuning.jsonl")
    for number, plan in enumerate(plans):
        talk = Talk(random, plan)
        row: Json = {"messages": write_messages(talk, reverse=number % 2 == 1, developer=number == 4)}
        row |= {"parallel_tool_calls": True, "tools": nest(TOOLS)} if any(said.calls for said in talk.said) else {}
        if number == 0:
            row["messages"][2]["weight"] = 0
        if number == 2:
            row["messages"][3]["content"] = [{"type": "text", "text": talk.said[3].text}]
        produced.runs.append(talk.finish(f"*{number}", tools=TOOLS if "tools" in row else []))
        lines.append(json.dumps(row, ensure_ascii=False))
    produced.note("unpaired_call")
    return lines, produced


def make_rollouts(random: Random) -> tuple[list[str], Produced]:
    """Rows with outcomes and ids; several rollouts of a task."""
    lines: list[str] = []
    produced = Produced("rollouts.jsonl")
    outcomes = ((True, 1.0), (False, 0.0), (None, None), (None, 0.25), (True, None), (False, -1.5))
    for number, (success, reward) in enumerate(outcomes):
        talk = Talk(random, "system user call thought" if number % 2 else "user two picture answer")
        name, task = f"rollout-{make_hex(random, 8)}", f"tide-{number // 2}"
        row: Json = {"id": name, "task_id": task, "model": "Qwen3-8B", "tools": TOOLS if number == 1 else nest(TOOLS)}
        row |= {"messages": write_messages(talk, as_object=number in (2, 3)), "success": success, "reward": reward}
        run = talk.finish(name, task_id=task, success=success, reward=reward, model="Qwen3-8B", tools=TOOLS)
        produced.runs.append(run)
        lines.append(json.dumps(row, ensure_ascii=number % 2 == 0))
    return lines, produced


def make_legacy(random: Random) -> tuple[list[str], Produced]:
    """``functions`` and ``function_call``, which have no ids."""
    lines: list[str] = []
    produced = Produced("legacy.jsonl")
    for number in range(2):
        talk = Talk(random, "system user call call answer", has_ids=False)
        rows: list[Json] = []
        for row, said in zip(write_messages(talk), talk.said, strict=True):
            if said.calls:
                row = {"role": "assistant", "content": None, "function_call": row["tool_calls"][0]["function"]}
            elif said.answers:
                row = {"role": "function", "name": said.answers.name, "content": said.text}
            rows.append(row)
        lines.append(json.dumps({"messages": rows, "functions": TOOLS}))
        produced.runs.append(talk.finish(f"*{number}", tools=TOOLS))
    return lines, produced


def make_damaged(random: Random) -> tuple[list[str], Produced]:
    """Lines that are no rows, results without a call, and an end in the middle of a row."""
    good, other = Talk(random, "system user orphan answer"), Talk(random, "user answer")
    rows = [json.dumps({"messages": write_messages(talk)}, ensure_ascii=False) for talk in (good, other)]
    lines = [rows[0], "not json {", '["a", "list"]', '{"messages": []}', rows[1], rows[0][: len(rows[0]) // 2]]
    runs = [good.finish("*0"), other.finish("*1")]
    lost = {"bad_json": 1, "not_an_object": 1, "no_messages": 1, "unpaired_result": 1, "cut_line": 1}
    runs[-1].is_partial = False  # each row is a whole conversation: the cut one is lost, no other is
    return lines, Produced("damaged.jsonl", runs, lost)


def make_sharegpt(random: Random) -> tuple[list[str], Produced]:
    """ShareGPT with and without tools, a system turn or a system column, an id or none."""
    lines: list[str] = []
    produced = Produced("sharegpt.jsonl")
    plans = ("system user answer user answer", "user call answer", "system user call call answer", "user thought",
             "system user answer")  # fmt: skip
    for number, plan in enumerate(plans):
        talk = Talk(random, plan, has_ids=False)
        turns = write_turns(talk)
        row: Json = {"id": f"QW{make_hex(random, 5)}_{number}", "conversations": turns}
        if number in (2, 4):
            row |= {"conversations": turns[1:], "system": turns[0]["value"]}
        has_tools = "call" in plan
        if has_tools:
            row["tools"] = json.dumps(TOOLS, ensure_ascii=False)
        lines.append(json.dumps(row, ensure_ascii=False))
        produced.runs.append(talk.finish(row["id"], tools=TOOLS if has_tools else []))
    return lines, produced


def make_odd(random: Random) -> tuple[list[str], Produced]:
    """Rarer fields of a message: a refusal, a linked picture, a name, ``reasoning``, a number as an outcome."""
    asked, said = make_text(random), make_text(random)
    link = {"type": "image_url", "image_url": {"url": "https://example.org/tide.png"}}
    refused = [{"role": "user", "content": asked}, {"role": "assistant", "content": None, "refusal": said}]
    linked = [{"role": "user", "name": "ann", "content": [link, {"type": "text", "text": asked}]},
              {"role": "assistant", "name": "pilot", "content": [{"type": "text", "text": said}], "audio": None,
               "reasoning": "So.", "tool_calls": [], "function_call": None}]  # fmt: skip
    blocks = [{"type": "refusal", "refusal": said}]
    parts = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": blocks, "reasoning_content": ""},
    ]
    rows = [{"messages": refused, "reward": 1, "success": False}, {"messages": linked, "tools": [], "model": None},
            {"messages": parts, "tools": None, "reward": None, "metadata": {"split": "train"}}]  # fmt: skip
    human, answer = Said("human", asked), Said("assistant", said)
    runs = [
        Run("*0", [human, answer], reward=1.0, success=False),
        Run("*1", [Said("human", f"[image unknown 0 bytes]\n\n{asked}"), Said("assistant", said, thinking="So.")]),
        Run("*2", [human, answer]),
    ]
    return [json.dumps(row, ensure_ascii=False) for row in rows], Produced("odd.jsonl", runs)


def make_names(random: Random) -> tuple[list[str], Produced]:
    """ShareGPT by other names for who speaks, and a turn of two calls."""
    lines: list[str] = []
    produced = Produced("names.jsonl")
    for number, names in enumerate((("user", "assistant"), ("human", "chatgpt"), ("human", "gpt"))):
        asked, said = make_text(random), make_text(random)
        turns = [{"from": names[0], "value": asked}, {"from": names[1], "value": said}]
        run = Run(f"*{number}", [Said("human", asked), Said("assistant", said)])
        if number == 2:
            calls = [Call("get_tide", {"place": "Velmora"}), Call("note", {"text": '"ebb"'})]
            value = json.dumps([{"name": call.name, "arguments": call.arguments} for call in calls])
            turns[1:1] = [{"from": "function_call", "value": value}, {"from": "observation", "value": "low"}]
            run.said[1:1] = [Said("assistant", calls=calls), Said("tool", "low", answers=calls[0])]
        produced.runs.append(run)
        lines.append(json.dumps({"conversations": turns}, ensure_ascii=False))
    produced.note("unpaired_call")
    return lines, produced


MAKERS: tuple[Callable[[Random], tuple[list[str], Produced]], ...] = (
    make_tuning, make_rollouts, make_legacy, make_damaged, make_sharegpt, make_odd, make_names,
)  # fmt: skip


def write_nested(random: Random, folder: Path) -> Produced:
    """A table of structs all the way down: every argument and every tool has the fields of all others, as null."""
    import pyarrow
    import pyarrow.parquet

    talks = [Talk(random, "user call answer"), Talk(random, "user call answer"), Talk(random, "user answer")]
    for talk, arguments in zip(talks, ({"place": "Velmora", "hours": 6}, {"text": 'é "ebb"'}), strict=False):
        talk.said[1].calls[0].arguments = arguments
    tools = [nest(TOOLS), nest(TOOLS[:1]), None]
    rows = [
        {"messages": fill(write_messages(talk, as_object=True)), "tools": listed}
        for talk, listed in zip(talks, tools, strict=True)
    ]
    produced = Produced("nested.parquet")
    for number, (talk, listed) in enumerate(zip(talks, (TOOLS, TOOLS[:1], []), strict=True)):
        produced.runs.append(talk.finish(f"*{number}", tools=listed))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / produced.file)
    return produced


def write_parquet(random: Random, folder: Path) -> list[Produced]:
    """Tables as pyarrow makes them of such rows: chat with outcomes, chat as text, ShareGPT."""
    import pyarrow
    import pyarrow.parquet

    talks = [
        Talk(random, plan) for plan in ("system user two answer", "user answer", "user call thought", "user asked")
    ]
    outcomes: list[tuple[bool | None, float | None]] = [(True, 1.0), (None, None), (False, 0.5), (None, 0.0)]
    chat, text = Produced("table.parquet"), Produced("text.parquet")
    columns: list[Json] = []
    for number, (talk, (success, reward)) in enumerate(zip(talks, outcomes, strict=True)):
        tools = TOOLS if any(said.calls for said in talk.said) else []
        fields: Json = {"task_id": f"t{number}", "success": success, "reward": reward}
        told = json.dumps(nest(tools), ensure_ascii=False) if tools else None
        columns.append({"messages": fill(write_messages(talk)), "tools": told, **fields})
        chat.runs.append(talk.finish(f"*{number}", tools=tools, **fields))
        text.runs.append(talk.finish(f"*{number}", tools=tools, **fields))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(columns), folder / chat.file, row_group_size=2)
    as_text = [{**row, "messages": json.dumps(row["messages"], ensure_ascii=False)} for row in columns]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(as_text), folder / text.file)
    chat.note("unpaired_call")
    text.note("unpaired_call")
    shared = Produced("sharegpt.parquet")
    talks = [Talk(random, plan, has_ids=False) for plan in ("system user answer", "user answer user answer")]
    turns = [{"conversations": write_turns(talk)} for talk in talks]
    shared.runs = [talk.finish(f"*{number}") for number, talk in enumerate(talks)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(turns), folder / shared.file, compression="zstd")
    return [chat, text, write_nested(random, folder), shared]


def produce(folder: Path) -> list[Produced]:
    """Write the datasets into ``folder`` and tell what they are."""
    random = Random(20_251_104)
    made: list[Produced] = []
    for make in MAKERS:
        lines, produced = make(random)
        text = "\n".join(lines) + ("" if "cut_line" in produced.lost else "\n")
        (folder / produced.file).write_text(text, encoding="utf-8", newline="\n")
        made.append(produced)
    return [*made, *write_parquet(random, folder)]


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_table(produce(Path(folder)), Path(__file__).with_suffix(".tsv"))


if __name__ == "__main__":
    main()
