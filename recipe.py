"""The front door: ``uv run recipe.py [RECIPE] --format codex --preview``; without a name, the distillation.

Other commands: ``merge NAME`` puts the parts of a partitioned run together; ``--list-formats`` and ``--list-models``.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # recipes and schemas lie beside this file and in no package
    from tracemill.run.main import main

    sys.exit(main(ROOT, sys.argv[1:]))
