"""The API's error responses."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from compiler.rehearsal.http import Response

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """The error response to a call: HTTP status, message and headers."""

    def __init__(self, status: int, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def new_request_id() -> str:
    """Return a unique request id."""
    return "req_01" + uuid4().hex[:22]


def error_type(status: int) -> str:
    """Return the API's error type for a status."""
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_response(
    status: int, message: str, request_id: str, headers: dict[str, str] | None = None
) -> Response:
    """Build an error response in the API's format."""
    body = {
        "type": "error",
        "error": {"type": error_type(status), "message": message},
        "request_id": request_id,
    }
    return Response(status, msgspec.json.encode(body), headers=dict(headers or {}))


def html_response(status: int, html: str | None = None) -> Response:
    """Build an error response like those of a proxy."""
    text = html or (
        f"<html><head><title>{status}</title></head>"
        f"<body><center><h1>{status}</h1></center><hr><center>proxy</center></body></html>"
    )
    return Response(status, text.encode(), content_type="text/html")
