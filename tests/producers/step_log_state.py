"""The repair agent's first generation: no conversation, but a prompt that is made anew for every step."""

from __future__ import annotations

import json

from tests.producers.step_log_agent import RepoRun
from tests.producers.truth import Json, Said


class StateRun(RepoRun):
    """Each prompt is the system's and one user message with the goal and the state; the action's row has ``obj``.

    Choice: a prompt that does not go on from the one before it is marked by an empty compaction.
    """

    def ask(self, reply: Json) -> Said:
        heard = [said.text for said in self.said if said.role == "tool"]
        state = {"run_id": self.run_id, "files_touched": [], "history": heard[-12:]}
        text = f"GOAL:\n{self.goal}\n\nSTATE (compact):\n{json.dumps(state, indent=2)[:6000]}\n"
        self.log("llm_request", {"t": self.step, "messages": [self.messages[0], {"role": "user", "content": text}]})
        if self.step:
            asked = Said("injected", text)
            self.said += [asked, Said("compaction", kept=[self.said[0], asked])]
        else:
            self.said[1].text = text
        turn = Said("assistant")
        self.said.append(turn)
        self.spend(turn)
        return turn

    def log(self, kind: str, payload: Json) -> None:
        if kind == "llm_action":
            payload = {"t": payload["t"], "obj": payload["action"]}
        super().log(kind, payload)
