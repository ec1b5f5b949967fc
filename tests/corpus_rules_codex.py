"""Codex rollouts for the table of rules, read off the raw rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.corpus_rules_model import Call, Conversation, Said
from tests.corpus_truth import CODEX_ANSWERED_CALLS, CODEX_CALLS, INJECTED, UNKNOWN, Row, blocks_of, read_rows, text_of

EXIT_CODE = re.compile(r"^(?:Exit code:|Process exited with code) (-?\d+)", re.MULTILINE)
EVENTS = {"user_message": "user", "agent_message": "assistant", "agent_reasoning": "reasoning"}
ITEMS = {"UserMessage": "user", "AgentMessage": "assistant", "Reasoning": "reasoning"}


def read_codex(path: Path) -> Iterator[Conversation]:
    rows = read_rows(path, Counter())
    metas = [row["payload"] for row in rows if row.get("type") == "session_meta"]
    meta: Row = metas[0] if metas else {}
    name = meta.get("id") or next((row["id"] for row in rows if row.get("id")), path.stem)
    source = meta.get("source")
    git = meta.get("git") or {}
    talk = Conversation(name, cwd=meta.get("cwd") or "", branch=git.get("branch") or "")
    talk.commit, talk.url = git.get("commit_hash") or "", git.get("repository_url") or ""
    if isinstance(source, dict) and "subagent" in source:
        talk.is_sidechain, talk.agent_id = True, name
        talk.parent = meta.get("parent_thread_id") or meta.get("forked_from_id") or ""
    talk.tools = len(find_tools(meta.get("dynamic_tools")))
    talk.cwd = talk.cwd or next((p["cwd"] for r in rows if (p := r.get("payload") or {}).get("cwd")), "")
    rollout = Rollout(talk, rows)
    # Choice: the old ``instructions`` are a system prompt where no user item says the same (the samples have none)
    prompt = (meta.get("base_instructions") or {}).get("text") or meta.get("instructions")
    said = {text_of(item.get("content")) for name, item in rollout.items if name == "message"}
    if prompt and text_of(prompt) not in said:
        talk.add("s", prompt)
    rollout.read()
    talk.said = [said for said in talk.said if said.kind != "m" or said.text or said.reasoning.strip() or said.calls]
    if any(said.kind != "s" for said in talk.said):
        yield talk


def find_tools(tools: object) -> set[str]:
    if isinstance(tools, dict):
        tools = [tools]
    names: set[str] = set()
    for tool in blocks_of(tools):
        names |= find_tools(tool["tools"]) if "tools" in tool else {tool["name"]}
    return names


class Rollout:
    """Goes through the rows; ``turn`` is the model turn that is open, ended by anything the model did not make."""

    def __init__(self, talk: Conversation, rows: list[Row]) -> None:
        self.talk = talk
        self.turn: Said | None = None
        self.rows = [self.name_row(row) for row in rows]
        self.items = [(name, item) for name, item in self.rows if not name.startswith("event ")]
        self.told = [text_of(item.get("message")) for name, item in self.rows if name == "event user_message"]
        self.model = ""

    @staticmethod
    def name_row(row: Row) -> tuple[str, Row]:
        item: Row = row.get("payload") or row
        if item is row or row.get("type") == "response_item":
            return item.get("type") or "message", item
        if row.get("type") == "event_msg":
            return f"event {item.get('type')}", item
        return str(row.get("type")), item

    def read(self) -> None:
        for name, item in self.rows:
            if name.removeprefix("event ") in UNKNOWN:
                continue
            if name.startswith("event "):
                self.read_event(name.removeprefix("event "), item)
            elif name == "message":
                self.say(item["role"], item.get("content") or item.get("message"), item)
            elif name == "reasoning":
                self.think(" ".join(str(block.get("text", "")) for block in blocks_of(item.get("summary"))))
            elif name in CODEX_CALLS | CODEX_ANSWERED_CALLS:
                self.call(name, item)
            elif name.endswith("_output"):
                self.answer(item)
            elif name == "agent_message":
                self.hear_agent(item)
            elif name == "token_count":
                self.count(item)
            elif name == "compacted":
                self.compact(item)
            elif name == "turn_context":
                self.model = item.get("model") or self.model

    def open_turn(self) -> Said:
        if self.turn is None:
            self.turn = self.talk.add("m", model=self.model)
        return self.turn

    def think(self, text: str) -> None:
        turn = self.open_turn()  # also where the thought is withheld: the response begins with it
        turn.reasoning += " " + text

    def say(self, role: str, content: object, item: Row) -> None:
        text, images = text_of(content), len(blocks_of(content, "input_image"))
        images += len(item.get("images") or []) + len(item.get("local_images") or [])
        if role == "assistant":
            turn = self.open_turn()
            turn.text += " " + text
            turn.images += images
        elif text or images:
            self.turn = None
            above, heading, request = text.partition("## My request for Codex:")
            if role == "user" and heading and text_of(request):
                self.talk.add("i", above + heading)  # what the app put above the request
                text = request
            is_human = images or text_of(INJECTED.sub(" ", text))
            self.talk.add("s" if role in ("developer", "system") else "h" if is_human else "i", text, images=images)

    def hear_agent(self, item: Row) -> None:
        """Mail of another agent; to a sub-agent to which nobody else spoke it is the task."""
        self.turn = None
        is_task = self.talk.is_sidechain and not any(said.kind == "h" for said in self.talk.said)
        self.talk.add("h" if is_task else "i", text_of(item.get("content")), is_mail=True)

    def call(self, name: str, item: Row) -> None:
        kind = name.removesuffix("_call") if name not in ("function_call", "custom_tool_call") else ""
        function = item.get("function") or {}
        arguments = item.get("arguments") if name == "function_call" else item.get("input")
        tool, space = kind or item.get("name") or function.get("name", ""), item.get("namespace") or ""
        tool = tool if tool.startswith(space) else space + tool
        call = Call(tool, str(item.get("call_id") or item.get("id")))
        # A free-form input is told as JSON under one key, as the arguments of every other call are JSON
        call.arguments = {"input": arguments} if isinstance(item.get("input"), str) else arguments
        self.open_turn().calls.append(call)
        if name in CODEX_ANSWERED_CALLS and (item.get("status") == "completed" or item.get("result")):
            self.talk.answer(call.call_id, "", images=int(name == "image_generation_call" and bool(item.get("result"))))
            self.turn = None

    def answer(self, item: Row) -> None:
        output = item.get("output")
        if isinstance(output, dict):
            output = [output]
        text = output if isinstance(output, str) else text_of(output)
        self.turn = None
        images = len(blocks_of(output, "input_image"))
        self.talk.answer(item.get("call_id"), text, error=has_failed(output), images=images)

    def compact(self, item: Row) -> None:
        """The replacement history is all that the model sees from here, but for the base instructions. What of it was
        said before stays; the rest, each text once (those of the sample are all trimmed to one), is the compaction."""
        self.turn = None
        roles = {"user": "hi", "developer": "s", "system": "s", "assistant": "m"}
        texts = [text_of(item.get("message"))]
        kept = self.talk.said[:1] if self.talk.said[:1] and self.talk.said[0].kind == "s" else []
        for entry in item.get("replacement_history") or []:
            text = text_of(entry.get("content"))
            kinds = roles.get(entry.get("role"), "")
            same = [said for said in self.talk.said if said.kind in kinds and text_of(said.text) == text and text]
            found = [said for said in same if not said.is_mail]
            kept += [said for said in found if said not in kept]
            texts += [] if found or text in texts else [text]
        said = self.talk.add("c", " ".join(texts))
        said.kept = [*kept, said] if item.get("replacement_history") is not None else None

    def count(self, item: Row) -> None:
        """The latest total; a new one ends a model response. Choice: a bare count (polylogue) is a total."""
        info = item.get("info") or item
        total = info.get("total_token_usage") or info
        if "input_tokens" not in total:
            return
        latest = (total["input_tokens"], total["output_tokens"])
        if latest != (self.talk.input_tokens, self.talk.output_tokens):
            self.turn = None
        self.talk.input_tokens, self.talk.output_tokens = latest

    def read_event(self, name: str, item: Row) -> None:
        if name == "token_count":
            self.count(item)
            return
        if name == "turn_aborted":
            self.stop()
            return
        role, content = EVENTS.get(name), item.get("message") or item.get("text")
        if name == "item_completed":
            done = item["item"]
            role, content = ITEMS.get(done["type"]), done.get("content") or done.get("summary_text")
            content = [{"type": "text", "text": block["text"]} for block in blocks_of(content)]
            if role == "user" and text_of(content) in self.told:
                return
        if role is None or self.is_repeated(role, text_of(content)):
            return
        if role == "reasoning":
            self.think(text_of(content))
        else:
            self.say(role, content, item)

    def stop(self) -> None:
        """The person stopped the model: its last turn since they spoke was cut off; the model was told nothing."""
        self.turn = None
        for said in reversed(self.talk.said):
            if said.kind in "hm":
                said.stop = "aborted" if said.kind == "m" else ""
                return

    def is_repeated(self, role: str, text: str) -> bool:
        """Whether an item says what the event says."""
        if role == "reasoning":
            said = [
                text_of([{"type": "text", "text": str(block.get("text", ""))}])
                for name, item in self.items
                if name == "reasoning"
                for block in blocks_of(item.get("summary"))
            ]
        else:
            said = [
                text_of(item.get("content") or item.get("message"))
                for name, item in self.items
                if name == "message" and item["role"] == role
            ]
        return any(text in other for other in said)


def has_failed(output: object) -> bool:
    """Whether the exit code of the call is not zero. Choice: what the commands inside a script (functions.exec) gave
    back is no exit code of the call, the script itself ran."""
    if not isinstance(output, str):
        return False
    if match := EXIT_CODE.search(output.partition("\nOutput:\n")[0]):
        return int(match[1]) != 0
    try:
        value = json.loads(output)
    except ValueError:
        return False
    return isinstance(value, dict) and bool((value.get("metadata") or value).get("exit_code"))
