"""The budget of one run: a ceiling on dollars spent and in flight together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from compiler.errors import BudgetError
from compiler.llm.messages import Purpose, Reply

# From this many replies of a role on, their mean cost counts as well as the expected cost.
ENOUGH = 50


class Purse:
    """The dollars of one run: spent, in flight, and planned, against its budget.

    `budget`: ceiling on `spent` and `in_flight` together. `later`: expected dollars of later passes
    for each call of a role. `earlier`: mean dollars per call of a role in earlier runs. `planned`:
    expected total cost of the run.

    A call in flight counts as the mean in earlier runs if known, else as its expected cost. Once
    this run has `ENOUGH` replies of the role, their mean cost counts instead if it is higher.
    """

    def __init__(
        self,
        budget: float,
        later: Mapping[str, float] | None = None,
        earlier: Mapping[str, float] | None = None,
    ) -> None:
        self.budget = budget
        self._earlier = earlier or {}
        self._later = later or {}
        self.spent = 0.0
        self.in_flight = 0.0
        self.planned = 0.0
        self._seen: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))

    def price(self, purpose: Purpose) -> float:
        """Return the dollars that one call of this purpose counts as while in flight."""
        count, usd = self._seen[purpose.role]
        known = self._earlier.get(purpose.role, purpose.expected_usd)
        return max(known, usd / count) if count >= ENOUGH else known

    def foresee(self, calls: Mapping[Purpose, int], flying: float = 0.0) -> None:
        """Check a pass and the later passes that follow from it, before its first request is sent.

        `calls`: number of calls by purpose, all of one role. `flying`: expected dollars of the
        batches that earlier runs left open.

        Raises:
            BudgetError: they would exceed the budget.
        """
        if not calls:
            return
        now = sum(count * self.price(purpose) for purpose, count in calls.items())
        later = sum(count * self._later.get(each.role, 0.0) for each, count in calls.items())
        self.planned = self.spent + flying + now + later
        if self.planned > self.budget:
            role = next(iter(calls)).role
            follows = f" and ${later:,.2f} in later passes" if later else ""
            waiting = f" and ${flying:,.2f} in flight" if flying else ""
            raise BudgetError(
                f"{sum(calls.values()):,} {role} requests are expected to cost ${now:,.2f}"
                f"{follows}; with ${self.spent:,.2f} spent in this run{waiting} they would exceed "
                f"the budget of ${self.budget:,.2f}",
                hint="none of them was sent; see `probec plan`, raise budget.max_usd or --max-usd, "
                "or build fewer documents",
            )

    def reserve(self, usd: float, what: str) -> None:
        """Count the cost of `what` as in flight, before it is sent.

        Raises:
            BudgetError: it would exceed the budget; nothing was counted.
        """
        if self.spent + self.in_flight + usd > self.budget:
            raise BudgetError(
                f"{what} is expected to cost ${usd:,.2f}; with ${self.spent:,.2f} spent and "
                f"${self.in_flight:,.2f} in flight it would exceed the budget of "
                f"${self.budget:,.2f}",
                hint="raise budget.max_usd or --max-usd and run again; replies in flight are kept",
            )
        self.in_flight += usd

    def release(self, usd: float) -> None:
        """Stop counting dollars as in flight."""
        self.in_flight = max(0.0, self.in_flight - usd)

    def paid(self, purpose: Purpose, reply: Reply) -> None:
        """Add the cost of a billed reply to `spent`."""
        usd = reply.usd(purpose.rate)
        count, total = self._seen[purpose.role]
        self._seen[purpose.role] = (count + 1, total + usd)
        self.spent += usd
