"""Put on PYTHONPATH of a run under test: a connection that leaves the machine fails and is written down."""

from __future__ import annotations

import os
import sys
from typing import Any

LOCAL = ("127.", "localhost", "::1")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = str(address[0]) if isinstance(address, tuple) else "127.unix"
    elif event == "socket.getaddrinfo":
        host = str(arguments[0] or "localhost")
    else:
        return
    if not host.startswith(LOCAL):
        with open(os.environ["GUARD_LOG"], "a") as log:  # noqa: PTH123
            log.write(f"{event} {host}\n")
        raise PermissionError(f"{event} {host}: the network is closed in tests")


if "GUARD_LOG" in os.environ:
    sys.addaudithook(_watch)
