"""Names functions of more than 40 lines and files of more than 300; exit 1 if there are any."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FUNCTION_LINES, FILE_LINES = 40, 300


def main(names: list[str]) -> int:
    found: list[str] = []
    for name in names:
        text = Path(name).read_text(encoding="utf-8")
        if text.count("\n") > FILE_LINES:
            found.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{name}:{node.lineno}: {node.name} has {lines} lines")
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
