"""The test model server of both sides, as a process: `python benchmarks/answers.py` prints its port.

It is ``tests/model_server.py`` with one change: responses cite files and a command of the trace, so that a reference
check has something to look up in every row. ``GET /stats`` counts requests, ``POST /reset`` sets the latency.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.traces import SOURCE_FILE, TEST_COMMAND, TEST_FILE

RESPONSE = (
    "The amount is rounded twice: once when the posting is built and once more on export. Keep the first and drop the "
    f"second.\n\n1. In `{SOURCE_FILE}`, round once, where the posting is made, and hand the exact value on.\n"
    "2. Let the export format the value without rounding it.\n"
    f"3. Pin the case in `{TEST_FILE}`: an amount that lies exactly between two cents.\n\n"
    f"Then run `{TEST_COMMAND} {TEST_FILE}`. Values that were exported before stay as they are; if they have to be "
    "mended, export the closed months again, as `Decimal` keeps the digits that the second rounding dropped."
)


def main() -> None:
    from tests.model_answers import Behaviour
    from tests.model_server import ServerHandle, serve

    fields = {"training_value": "high", "response": RESPONSE}
    server = ServerHandle(Behaviour(keep_bodies=False, fields=fields))

    def ready(port: int, stop: Callable[[], Any]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop())
        print(port, flush=True)

    asyncio.run(serve(server, 0, ready))


if __name__ == "__main__":
    main()
