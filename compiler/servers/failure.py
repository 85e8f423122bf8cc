"""Requests without a usable response, and the party at fault: account, request or server."""

from __future__ import annotations

from compiler.errors import PausedError, ProviderError

_ACCOUNT_TYPES = ("authentication_error", "permission_error", "billing_error")
_ACCOUNT_CODES = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
_ACCOUNT_WORDS = ("credit balance is too low", "api usage limits")


class Failure(Exception):
    """A request without a usable response.

    `status`: of the HTTP response, None without one. `kind`, `code`: the server's type and code of
    the error. `sent`: the server may have received the request. `wait`: seconds that the server
    asked to wait. `timed_out`: no byte came in time, so the server may still be at work.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str = "",
        code: str = "",
        wait: float | None = None,
        sent: bool = True,
        timed_out: bool = False,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.wait = wait
        self.sent = sent
        self.timed_out = timed_out
        self.request_id = request_id

    @property
    def of_account(self) -> bool:
        """Return whether the account is at fault, not the request."""
        return account_at_fault(self.kind, self.message, self.code, self.status)


def account_at_fault(kind: str, message: str, code: str = "", status: int | None = None) -> bool:
    """Return whether an error concerns the account (key, credit, limits), not the request."""
    return (
        kind in _ACCOUNT_TYPES
        or code in _ACCOUNT_CODES
        or status in (401, 402, 403)
        or any(words in message.casefold() for words in _ACCOUNT_WORDS)
    )


def may_be_served(failure: Failure) -> bool:
    """Return whether the server may have processed the request in spite of the failure.

    It may after a lost response, a time-out or a server error.
    """
    return failure.status is None or failure.status == 408 or failure.status >= 500


def unserved(failure: Failure, endpoint: str) -> ProviderError:
    """Return the error for an endpoint or account that cannot be used."""
    if failure.of_account:
        return PausedError(
            f"the account cannot be used: {failure.message}",
            where=endpoint,
            hint="check the key, credit and limits (`probec doctor`), then run the same command "
            "again; the replies received are kept",
        )
    return ProviderError(
        f"the API cannot be used: {failure.message}",
        where=endpoint,
        hint="check the network and base_url; the replies received are kept",
    )
