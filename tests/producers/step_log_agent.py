"""The repair agent whose log ``step_log`` writes: its driver, its two adapters, its reflections, its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from tests.producers.truth import ANY_ID, Call, Json, Run, Said, show_time
from tests.producers.words import make_hex, make_sentence, make_text

SYSTEM = "You are a repo-fixing agent.\nYou operate in a loop: choose ONE action, then wait for the tool result.\n"
LOOP = "Loop detected: change approach, inspect different evidence, then replan."


@dataclass
class Habit:
    """How one run is made: its adapter, its key for the kind of a row, when tests run, what the row of usage says."""

    protocol: str = "native"
    key: str = "kind"
    test_policy: str = "on_write"
    counts_tokens: bool = True
    has_ids: bool = True
    lags: bool = True


class RepoRun:
    """One run of the agent: what it wrote (``rows``) and what it was (``run``)."""

    def __init__(self, random: Random, number: int, task: str, habit: Habit) -> None:
        self.random, self.habit = random, habit
        self.model = random.choice(("gpt-4.1-mini", "Qwen/Qwen2.5-7B-Instruct-Turbo"))
        self.clock = 1_767_600_000.0 + number * 1000 + random.randrange(1000) / 1000
        self.goal = make_text(random)
        self.run_id = make_hex(random, 10)
        self.meta = {
            "task_id": task, "repo": f"/srv/repos/{task}", "goal": self.goal, "test_cmd": "pytest -q",
            "model": self.model, "provider": "openai",
        }  # fmt: skip
        self.rows: list[Json] = []
        self.messages: list[Json] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"GOAL:\n{self.goal}"},
        ]
        self.run = Run(self.run_id, task_id=task, model=self.model)
        self.said = self.run.said
        self.said += [Said("system", SYSTEM), Said("human", f"GOAL:\n{self.goal}")]
        self.step, self.calls_made = 0, 0
        self.pending: Call | None = None
        self.result: str | None = None
        self.notes: list[Json] = []
        self.shown: set[int] = set()  # the messages that a logged prompt holds, by identity
        self.untold: list[tuple[Json, Said, str]] = []  # a message, what it is here, and what is known without it
        self.last_test: Json | None = None
        self.error: str | None = None
        self.log("run_start", {"run_id": self.run_id, "goal": self.goal})

    def log(self, kind: str, payload: Json) -> None:
        self.clock += self.random.randrange(1, 5000) / 1000
        self.run.started = self.run.started or show_time(self.clock)
        self.run.ended = show_time(self.clock)
        # the log is written at once: a list that grows later must not change what was logged
        row = {"ts": self.clock, self.habit.key: kind, "payload": payload, "run_id": self.run_id, "meta": self.meta}
        self.rows.append(json.loads(json.dumps(row)))

    @property
    def is_native(self) -> bool:
        return self.habit.protocol == "native"

    def ask(self, reply: Json) -> Said:
        """Log a request, give the model what is pending, and let it answer with a message."""
        fed = None
        if self.result is not None and self.pending:
            fed = (
                {"role": "tool", "tool_call_id": self.pending.id, "content": self.result}
                if self.is_native
                else {"role": "user", "content": f"[tool_result]\n{self.result}"}
            )
        logged = [*self.messages, fed] if fed and (self.is_native or not self.habit.lags) else self.messages
        self.log("llm_request", {"t": self.step, "messages": logged})
        self.shown.update(map(id, logged))
        if fed:
            self.messages.append(fed)
            answer = next(said for said in self.said if said.answers is self.pending)
            self.untold.append((fed, answer, answer.text))
            answer.text = str(self.result)  # with the tests, now that the model sees it
        self.messages += self.notes
        self.notes, self.pending, self.result = [], None, None
        self.messages.append({"role": "assistant", **reply})
        turn = Said("assistant")
        self.said.append(turn)
        self.spend(turn)
        return turn

    def spend(self, turn: Said | None) -> None:
        """Count tokens: of a turn, or of a reflection, which is no turn."""
        if not self.habit.counts_tokens:
            return
        tokens = (self.random.randrange(200, 4000), self.random.randrange(5, 300))
        if turn:
            turn.tokens = tokens
            total = self.run.tokens or (0, 0)
            self.run.tokens = (total[0] + tokens[0], total[1] + tokens[1])
        phase = "action" if turn else "reflection"
        counts = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        self.log("llm_usage", {"t": self.step, **counts, "phase": phase})

    def call(self, name: str, args: Json, ok: bool, output: str, thought: str = "", trailing: str = "") -> None:
        """The model calls a tool, the driver runs it and, after a write, the tests."""
        self.calls_made += 1
        meant = {**args, "thought": thought} if thought and self.is_native else args
        action: Json = {"type": "tool_call", "name": name, "args": args, **({"thought": thought} if thought else {})}
        if self.is_native:
            call_id = f"call_{make_hex(self.random, 24)}" if self.habit.has_ids else f"call_{self.calls_made}"
            call = Call(name, meant, call_id)
            function = {"name": name, "arguments": json.dumps(meant, ensure_ascii=False)}
            turn = self.ask({"tool_calls": [{"id": call_id, "type": "function", "function": function}]})
            raw: Json = {"type": "tool_call", "name": name, "args": meant}
        else:
            call, raw = Call(name, args), action
            turn = self.ask({"content": json.dumps(action, ensure_ascii=False) + (f" {trailing}" if trailing else "")})
            turn.text = "\n\n".join(text for text in (thought, trailing) if text)
        turn.calls, self.pending = [call], call
        self.log("llm_action", {"t": self.step, "raw": raw, "action": action})
        if trailing:
            self.log("llm_trailing_text", {"t": self.step, "trailing": trailing})
            self.note("Model returned extra/trailing JSON; only the first object was used.")
        if name not in ("list_files", "read_file", "write_file", "grep"):
            self.error = f"Unknown tool: {name}"  # the driver dies of it, before any result
            return
        if name == "write_file" and ok:
            self.note(f"touched {args['rel_path']}")
        obs = {"ok": ok, "output": output, "meta": {} if ok else {"tool": name}}
        self.log("tool_result", {"t": self.step, "tool": name, "args": args, "obs": obs})
        self.result = output
        self.said.append(Said("tool", output, answers=call, failed=not ok))
        if name == "write_file" and self.habit.test_policy == "on_write":
            tests = self.test(ok and self.random.random() < 0.6)
            verdict = "PASS" if tests["ok"] else "FAIL"
            self.result = f"{output}\n\n[TESTS {verdict}]\n{tests['output'][:2000]}"

    def test(self, ok: bool) -> Json:
        output = "3 passed in 0.02s" if ok else f"FAILED test_tide.py::test_ebb - {make_text(self.random)}"
        self.last_test = {"ok": ok, "output": output}
        self.run.success = ok
        self.log("tests", self.last_test)
        return self.last_test

    def note(self, note: str) -> None:
        self.log("driver_note", {"t": self.step, "note": note})

    def reflect(self, is_readable: bool = True) -> None:
        """Another call of the model; what it says is put into the conversation as a system message."""
        asked = [{"role": "system", "content": "Reflect."}, {"role": "user", "content": make_text(self.random)}]
        self.log("reflection_request", {"t": self.step, "messages": asked})
        self.spend(None)
        if not is_readable:
            self.note("Reflection parse failed: notes must be a list")
            return
        reflection = {"notes": [make_sentence(self.random)], "next_focus": make_text(self.random), "risks": ["haste"]}
        self.log("reflection", {"t": self.step, "reflection": reflection})
        text = f"- {reflection['notes'][0]}\nNext focus: {reflection['next_focus']}\nRisks: haste"
        note = {"role": "system", "content": f"DRIVER NOTE:\n{text}"}
        self.said.append(Said("system", note["content"]))
        self.untold.append((note, self.said[-1], ""))
        (self.notes if self.is_native else self.messages).append(note)

    def fail(self, text: str, raw: Json, error: str) -> None:
        """The model says what is no action: the driver logs it and dies."""
        turn = self.ask({"content": text})
        turn.text = text
        self.log("llm_parse_error", {"t": self.step, "error": error, "raw": raw})
        self.error = "LLM adapter failed to produce a valid typed Action"

    def finish(self, thought: str = "") -> None:
        action: Json = {
            "type": "final", "summary": make_text(self.random),
            "changes": [{"path": "tide.py", "description": "Edited file"}], **({"thought": thought} if thought else {}),
        }  # fmt: skip
        turn = self.ask({"content": json.dumps(action, ensure_ascii=False)})
        turn.text, turn.thinking = action["summary"], thought
        self.log("llm_action", {"t": self.step, "raw": action, "action": action})
        if self.habit.test_policy == "on_final":
            self.test(self.random.random() < 0.5)
        final = {**action, **({"test_result": {"ok": self.last_test["ok"]}} if self.last_test else {})}
        self.log("final", {"final": final})
        self.end(action["summary"])

    def end(self, summary: str) -> None:
        state = {"notes": [], "files_touched": ["tide.py"], "last_test": self.last_test, "run_id": self.run_id}
        self.log("run_end", {"run_id": self.run_id, "summary": summary, "state": state})

    def close(self) -> Run:
        """The run as its log can show it: what stands in no logged prompt is known by its own row alone, or not."""
        for message, said, known in self.untold:
            if id(message) in self.shown:
                continue
            said.text = known
            if said.role == "system":
                self.said.remove(said)
        last = next((call for said in reversed(self.said) for call in said.calls), None)
        echoes = {id(message) for message in self.messages if message.get("tool_calls")}
        if last and self.is_native and not echoes <= self.shown:
            last.id = ANY_ID
        return self.run

    def act(self, kind: str) -> None:
        """One step by its name."""
        random, thought = self.random, make_text(self.random) if self.random.random() < 0.5 else ""
        if kind == "list":
            self.call("list_files", {"rel_dir": ".", "max_files": 20}, True, "tide.py\ntest_tide.py\nüber.md", thought)
        elif kind == "read":
            self.call("read_file", {"rel_path": "tide.py", "max_chars": 400}, True, make_text(random), thought)
        elif kind == "missing":
            self.call("read_file", {"rel_path": 'no "such" file', "max_chars": 9}, False, "File not found", thought)
        elif kind == "grep":
            self.call("grep", {"pattern": "it's \\d+ <b>", "rel_dir": "src", "max_hits": 3}, True, "", thought)
        elif kind == "write":
            content = f"def ebb():\n    return '{make_text(random)}'\n"
            self.call("write_file", {"rel_path": "tide.py", "content": content}, True, "Wrote 61 bytes", thought)
        elif kind == "empty_write":
            self.call("write_file", {}, False, "Invalid tool args: missing required args: rel_path, content", thought)
        elif kind == "trailing":
            self.call("list_files", {"rel_dir": "docs"}, True, "a.md", "", '{"type": "final", "summary": "too soon"}')
        elif kind == "unknown_tool":
            self.call("run_shell", {"command": 'ls -la | grep "x"'}, False, "", thought)
        elif kind == "prose":
            text = f"I think we are done. {make_text(random)}".strip()
            error = "Could not parse model output as JSON"
            self.fail(text, {"type": "invalid_json", "raw_text": text}, error)
        elif kind == "odd_action":
            odd = {"type": "dance", "steps": ["left", "right"], "why": "naïve"}
            self.fail(json.dumps(odd, ensure_ascii=False), odd, "Unknown action type: dance")
        elif kind in ("reflect", "bad_reflect"):
            self.reflect(kind == "reflect")
            return
        elif kind == "loop":
            self.note(LOOP)
            return
        else:
            {"final": lambda: self.finish(thought), "stop": lambda: self.end("Stopped: max iters reached.")}[kind]()
        self.step += 1
