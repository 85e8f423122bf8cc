"""The rehearsal server, which prints its address and process id as one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from compiler.rehearsal.catalogue import Catalogue
from compiler.rehearsal.server import serve
from compiler.rehearsal.service import Limits, Service


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m compiler.rehearsal", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory of the state")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=Path, help="JSON list of rules, ignored by a restart")
    parser.add_argument("--latency", type=float, default=2.0, help="virtual seconds of a batch")
    parser.add_argument("--speed", type=float, help="virtual seconds per real second")
    parser.add_argument("--queue-limit", type=int, default=500_000)
    parser.add_argument("--max-requests", type=int, default=100_000)
    parser.add_argument("--max-bytes", type=int, default=256_000_000)
    parser.add_argument("--model", action="append", default=[], help="an additional model")
    parser.add_argument("--echo", action="store_true", help="answer with a fixed short text")
    given = parser.parse_args()
    service = Service.open(
        given.state,
        Limits(given.latency, given.queue_limit, given.max_requests, given.max_bytes),
        Catalogue(given.model),
        speed=given.speed,
        faults=given.faults.read_bytes() if given.faults else None,
        echo=given.echo,
    )

    def ready(port: int) -> None:
        line = {"base_url": f"http://{given.host}:{port}", "pid": os.getpid()}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    asyncio.run(serve(service, given.host, given.port, ready))


if __name__ == "__main__":
    main()
