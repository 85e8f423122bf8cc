"""The server of `probec view`: the page, and its data as JSON. It listens on this machine only."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from compiler.errors import UsageError
from compiler.viewing.selection import parse
from compiler.viewing.table import Table

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
# A page of another site must not read the rows, nor be able to run code in this one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def application(table: Table, title: str) -> Starlette:
    """Make the web application of a table. `title`: the name of the dataset.

    Raises:
        UsageError: the extra `view` is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError:
        raise UsageError(
            "rows in a browser need more libraries", hint='pip install "probec[view]"'
        ) from None

    page = (files("compiler.viewing") / "page.html").read_bytes()

    def answer(data: object, status: int = 200) -> Response:
        return Response(msgspec.json.encode(data), status, _HEADERS, "application/json")

    def index(request: Request) -> Response:
        return Response(page, 200, _HEADERS, "text/html")

    def listed(request: Request) -> Response:
        try:
            wanted = parse(request.query_params)
        except UsageError as error:
            return answer({"error": str(error)}, 400)
        rows = {"rows": table.page(wanted), "title": title}
        return answer({**rows, **(table.facets(wanted) if not wanted.offset else {})})

    def document(request: Request) -> Response:
        found = table.document(request.path_params["probe"])
        if found is None:
            return answer({"error": "no probe has this id in this dataset"}, 404)
        record, chosen, beside = found
        ids = list(beside)
        others = list(beside.values())
        return answer({"record": record, "chosen": chosen, "ids": ids, "beside": others})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/rows", listed),
            Route("/document/{probe}", document),
        ],
        # Another name for this machine in the request means that a page of another site asks.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
    )


def serve(app: Starlette, port: int, started: Callable[[str], None]) -> None:
    """Serve an application until it is interrupted.

    `port`: 0 for any free one; `started` gets the address as soon as the server accepts requests.

    Raises:
        UsageError: the port is in use.
    """
    import uvicorn

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on port {port}: {error.strerror}", hint="name another --port"
        ) from None
    listener.listen(128)
    started(f"http://{HOST}:{listener.getsockname()[1]}/")
    try:
        # Ctrl-C is the end that the command announces.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])
    finally:
        listener.close()
