"""The prompts of the agent whose logs ``miroflow`` writes: their frame is the agent's, shortened."""

from __future__ import annotations

from datetime import date

from tests.producers.truth import Json

USAGE = """# Tool-Use Formatting Instructions

Tool-use is formatted using XML-style tags. Usage:
<use_mcp_tool>
<server_name>server name here</server_name>
<tool_name>tool name here</tool_name>
<arguments>
{
"param1": "value1",
"param2": "value2 \\"escaped string\\""
}
</arguments>
</use_mcp_tool>

Important Notes:
- Tool-use must be placed **at the end** of your response.

Here are the functions available in JSONSchema format:

"""
GOALS = {
    "main": "# Agent Specific Objective\n\nYou are a task-solving agent that uses tools step-by-step.",
    "agent-browsing": "# Agent Specific Objective\n\nYou are an agent that searches and browses the web.",
}


def make_system_prompt(agent: str, servers: dict[str, list[Json]], day: date) -> str:
    """The system prompt of an agent; a schema is written as Python shows a dict."""
    text = f"In this environment you have access to a set of tools. Today is: {day:%Y-%m-%d}\n\n{USAGE}"
    for server, tools in servers.items():
        text += f"\n## Server name: {server}\n"
        for tool in tools:
            text += f"### Tool name: {tool['name']}\n"
            text += f"Description: {tool['description']}\n"
            text += f"Input JSON schema: {tool['schema']}\n"
    text += "\n# General Objective\n\nYou accomplish a given task iteratively.\n\n"
    return text + GOALS[agent].strip()


def ask_for_summary(task: str) -> str:
    """What ends the main agent's session."""
    return (
        "Summarize the above conversation, and output the FINAL ANSWER to the original question.\n\n"
        "The original question is repeated here for reference:\n\n"
        f'"{task}"\n\n'
        "Wrap your final answer in \\boxed{}.\n"
        "You must absolutely not perform any MCP tool call, tool invocation, search, scrape or code execution."
    )


def ask_for_report(task: str) -> str:
    """What ends a browsing agent's session."""
    return (
        "This is a direct instruction to you (the assistant), not the result of a tool call.\n\n"
        "We are now ending this session, and your conversation history will be deleted.\n\n"
        "The original task is repeated here for reference:\n\n"
        f'"{task}"\n\n'
        "Summarize the above search and browsing history. Output the FINAL RESPONSE of the task given to you."
    )
