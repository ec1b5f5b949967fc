"""One attempt of the agent whose logs ``miroflow`` writes: its sessions, its clients, its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random

from tests.producers.miroflow_prompts import ask_for_report, ask_for_summary, make_system_prompt
from tests.producers.truth import Call, Json, Run, Said, show_time
from tests.producers.words import make_sentence, make_text

BEIJING = timezone(timedelta(hours=8))
FORMAT_ERROR = "No \\boxed{} content found in the final answer."
TOOLS: dict[str, list[Json]] = {
    "tool-google-search": [
        {
            "name": "google_search",
            "description": 'Search the web.\n\n    It\'s able to "quote".\n\n    Args:\n        q: what to look for',
            "schema": {
                "type": "object",
                "properties": {"q": {"type": "string"}, "gl": {"type": "string", "default": None, "x": True}},
                "required": ["q"],
            },
        },
        {"name": "scrape_website", "description": "Fetch a page.", "schema": {"type": "object", "properties": {}}},
    ],
    "tool-python": [{"name": "run_python_code", "description": "Run ### code.", "schema": {"type": "object"}}],
}
SUB_AGENT: Json = {
    "name": "search_and_browse",
    "description": "An agent for one subtask. \nArgs: \n\tsubtask: it. \nReturns: \n\tthe result of the subtask.",
    "schema": {"type": "object", "properties": {"subtask": {"type": "string"}}, "required": ["subtask"]},
}


@dataclass
class Plan:
    """One log: its steps, its client, its attempt, and what the judge said of it (in the log, in the results)."""

    task: str
    steps: str
    client: str = "openai"
    attempt: int = 1
    retry: int = 0
    verdict: str = ""
    told: str = ""


class Attempt:
    """One attempt of the benchmark: its log (``log``) and what it was (``run``, and ``subs`` for its sub-agents)."""

    def __init__(self, random: Random, number: int, plan: Plan) -> None:
        self.random, self.plan = random, plan
        self.clock = datetime(2026, 1, 11, 10, 0, tzinfo=BEIJING) + timedelta(hours=number)
        self.model = "MiroThinker-14B" if plan.client == "openai" else "claude-3-7-sonnet-20250219"
        self.task_id = f"{plan.task}_attempt-{plan.attempt}_format-retry-{plan.retry}"
        started = self.tell_time()
        self.file = f"task_{self.task_id}_{started.replace(':', '-').replace(' ', '-')}.json"
        self.question, self.truth = f"{make_text(random)}?", make_sentence(random)
        asked = f"{self.question}\nYou should follow the format instruction in the request strictly and wrap the final"
        self.asked = f"{asked} answer in \\boxed{{}}.".strip()
        tools = {**TOOLS, "agent-browsing": [SUB_AGENT]}
        system = make_system_prompt("main", tools, self.clock.date()).strip()
        stem = Path(self.file).stem
        self.run = self.start(stem, system, self.asked, tools)
        self.run.ground_truth, self.run.started = self.truth, self.show_clock()
        self.subs: list[Run] = []
        self.histories: dict[str, Json] = {}
        self.history: list[Json] = [{"role": "user", "content": self.asked}]
        self.system, self.answer, self.status, self.error = system, "", "running", ""
        self.logged: list[Json] | None = None
        self.steps: list[Json] = []
        self.started, self.ended = started, ""

    def start(self, name: str, system: str, asked: str, tools: dict[str, list[Json]]) -> Run:
        run = Run(name, task_id=self.plan.task, model=self.model, attempt=self.plan.attempt)
        run.said += [Said("system", system), Said("human", asked)]
        for server, listed in tools.items():
            for tool in listed:
                function = {"name": f"{server}-{tool['name']}", "description": tool["description"]}
                run.tools.append({**function, "parameters": tool["schema"]})
        return run

    def tell_time(self) -> str:
        return self.clock.strftime("%Y-%m-%d %H:%M:%S")

    def show_clock(self) -> str:
        return show_time(self.clock.timestamp())

    def log_step(self, name: str, message: str, **metadata: str) -> None:
        self.clock += timedelta(seconds=self.random.randrange(1, 60))
        level = "error" if "Error" in name else "info"
        row = {"step_name": name, "message": message, "timestamp": self.tell_time(), "info_level": level}
        self.steps.append({**row, "metadata": metadata})

    def fold(self, text: str) -> str | list[Json]:
        """A message's content as this client keeps it."""
        return text if self.plan.client == "openai" else [{"type": "text", "text": text}]

    def say(self, run: Run, history: list[Json], text: str, calls: list[Call], written: str = "") -> None:
        """The model's turn: thoughts, words, and its calls as text at the end."""
        thought = make_sentence(self.random) if self.random.random() < 0.5 else ""
        parts = [f"<think>\n{thought}\n</think>\n\n" if thought else "", text]
        for call in calls:
            server, tool = call.name.rsplit("-", 1)
            body = written or json.dumps(call.arguments, ensure_ascii=False, indent=self.random.choice((None, 2)))
            parts.append(
                f"\n\n<use_mcp_tool>\n<server_name>{server}</server_name>\n<tool_name>{tool}</tool_name>\n"
                f"<arguments>\n{body}\n</arguments>\n</use_mcp_tool>"
            )
        history.append({"role": "assistant", "content": self.fold("".join(parts))})
        run.said.append(Said("assistant", text, thinking=thought, calls=calls))
        self.log_step("Main Agent | LLM Call", "completed successfully")

    def feed(self, run: Run, history: list[Json], call: Call, text: str, *, failed: bool = False) -> None:
        history.append({"role": "user", "content": self.fold(text)})
        run.said.append(Said("tool", text, answers=call, failed=failed))

    def make_call(self, kind: str) -> Call:
        if kind == "python":
            return Call("tool-python-run_python_code", {"code": "print(\"<b>\")\nfor i in range(3):\n\tprint('é', i)"})
        if kind == "fail":
            return Call("tool-google-search-scrape_website", {"url": 'https://example.org/?a=1&b="2"'})
        return Call("tool-google-search-google_search", {"q": make_text(self.random), "num": 10})

    def delegate(self) -> None:
        """Hand a subtask to the browsing agent, which keeps a session of its own."""
        subtask = make_text(self.random)
        call = Call("agent-browsing-search_and_browse", {"subtask": subtask})
        self.say(self.run, self.history, make_sentence(self.random), [call])
        session = f"agent-browsing_{len(self.subs) + 1}"
        asked = (
            f"{subtask}\n\nPlease provide the answer and detailed supporting information of the subtask given to you."
        )
        tools = {"tool-google-search": TOOLS["tool-google-search"]}
        system = make_system_prompt("agent-browsing", tools, self.clock.date())
        sub = self.start(f"{self.run.trace_id}:{session}", system, asked, tools)
        sub.root = sub.parent = self.run.trace_id
        sub.agent = session
        self.log_step("agent-browsing | Session Start", f"Starting {session}", session_id=session, subtask=subtask)
        sub.started = self.show_clock()
        history: list[Json] = [{"role": "user", "content": asked}]
        for kind in ("search", "fail")[: self.random.randint(1, 2)]:
            inner = self.make_call(kind)
            self.say(sub, history, "", [inner])
            self.answer_call(sub, history, inner, kind)
        self.say(sub, history, make_text(self.random).strip(), [])
        self.sum_up(sub, history, ask_for_report(asked), report := make_text(self.random).strip())
        self.histories[session] = {"system_prompt": system, "message_history": history}
        self.subs.append(sub)
        self.log_step("agent-browsing | Session End", f"Ending {session}", session_id=session)
        sub.ended = self.show_clock()
        self.feed(self.run, self.history, call, report)

    def answer_call(self, run: Run, history: list[Json], call: Call, kind: str) -> None:
        server, tool = call.name.rsplit("-", 1)
        if kind == "fail":
            text = f'Tool call to {tool} on {server} failed. Error: HTTP 404 "not found"'
            self.feed(run, history, call, text, failed=True)
        elif kind == "silent":
            text = f"Tool call to {tool} on {server} completed, but produced no specific output or result."
            self.feed(run, history, call, text)
        else:
            self.feed(run, history, call, json.dumps({"organic": [{"title": make_text(self.random)}]}))

    def sum_up(self, run: Run, history: list[Json], prompt: str, answer: str) -> None:
        """Ask for the end: what the history ends with is taken out of it where it is a result."""
        if history[-1]["role"] == "user":
            history.pop()
            run.said.pop()
        history.append({"role": "user", "content": prompt})
        run.said.append(Said("injected", prompt))
        self.say(run, history, answer, [])

    def act(self, kind: str) -> None:
        """One step by its name."""
        if kind in ("search", "python", "fail", "silent"):
            call = self.make_call(kind)
            self.say(self.run, self.history, make_text(self.random).strip(), [call])
            self.answer_call(self.run, self.history, call, kind)
        elif kind == "two":
            calls = [self.make_call("search"), self.make_call("python")]
            self.say(self.run, self.history, "Both at once.", calls)
            self.feed(self.run, self.history, calls[0], f"{make_text(self.random)}\n0 é\n1 é")
        elif kind == "bad_json":
            written = "{'q': 'tides of \"Velmora\"', 'gl': None,}"
            call = Call("tool-google-search-google_search", written)
            self.say(self.run, self.history, "A slip.", [call], written)
            self.answer_call(self.run, self.history, call, "search")
        elif kind == "talk":
            call = self.make_call("search")
            self.say(self.run, self.history, "I write <arguments> and **<server_name>** in prose, then call.", [call])
            self.answer_call(self.run, self.history, call, "search")
        elif kind == "sub":
            self.delegate()
        else:
            self.finish(kind)
        if kind not in ("failed", "early") and self.history[-1]["role"] == "user":
            self.logged = json.loads(json.dumps(self.history))

    def finish(self, kind: str) -> None:
        if kind == "killed":
            return
        if kind in ("failed", "early"):
            self.status, self.error = "failed", "Traceback (most recent call last):\nRuntimeError: no model"
            self.close()
            return
        if kind == "answer":
            self.say(self.run, self.history, make_text(self.random).strip(), [])
        self.answer = FORMAT_ERROR if kind == "boxless" else make_sentence(self.random)
        said = "I found nothing." if kind == "boxless" else f"So it is.\n\n\\boxed{{{self.answer}}}"
        prompt = ask_for_summary(self.asked)
        if kind == "old_limit":
            last = self.history.pop()["content"]
            last = last if isinstance(last, str) else last[0]["text"]
            self.history.append({"role": "user", "content": f"{last}\n\n-----------------\n\n{prompt}"})
            self.run.said.append(Said("injected", prompt))
            self.say(self.run, self.history, said, [])
        else:
            self.sum_up(self.run, self.history, prompt, said)
        self.logged, self.status = self.history, "success"
        self.close()

    def close(self) -> None:
        self.log_step("Main Agent | Task Completed", self.status)
        self.ended, self.run.ended = self.tell_time(), self.show_clock()

    @property
    def log(self) -> Json:
        """The attempt's file."""
        main: Json | list[Json] = {"system_prompt": self.system, "message_history": self.logged} if self.logged else []
        return {
            "status": self.status, "start_time": self.started, "end_time": self.ended, "task_id": self.task_id,
            "input": {"task_description": self.question, "task_file_name": ""}, "ground_truth": self.truth,
            "final_boxed_answer": self.answer, "final_judge_result": self.plan.verdict,
            "judge_type": "gaia" if self.plan.verdict else "", "eval_details": None, "error": self.error,
            "current_main_turn_id": 0, "current_sub_agent_turn_id": 0, "sub_agent_counter": len(self.subs),
            "current_sub_agent_session_id": None,
            "env_info": {"llm_provider": self.plan.client, "llm_base_url": "http://localhost:1", "llm_model_name":
                         self.model, "llm_temperature": 0.3, "keep_tool_result": -1, "main_agent_max_turns": 20},
            "log_dir": "logs", "main_agent_message_history": main,
            "sub_agent_message_history_sessions": self.histories, "step_logs": self.steps, "trace_data": {},
        }  # fmt: skip
