"""The wall: what a run has spent and what is in flight may not pass it together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from compiler.errors import BudgetError
from compiler.llm.messages import Purpose, Reply

# So many replies of a kind are believed before what was expected of them.
ENOUGH = 50


class Purse:
    """Counts dollars of one run. `wall`: the most that spent and in flight may be together.
    `planned`: what the run is expected to have cost in the end.

    What is in flight is counted as its kind cost in earlier runs, where that is known, else as
    expected before sending; or as replies of this run really cost on average once there are enough
    of them, if that is more. `earlier`: dollars a call by role. `later`: what a call of a role is
    expected to bring with it in later passes.
    """

    def __init__(
        self,
        wall: float,
        later: Mapping[str, float] | None = None,
        earlier: Mapping[str, float] | None = None,
    ) -> None:
        self.wall = wall
        self._earlier = earlier or {}
        self._later = later or {}
        self.spent = 0.0
        self.in_flight = 0.0
        self.planned = 0.0
        self._seen: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))

    def price(self, purpose: Purpose) -> float:
        """What one call of this purpose is counted as while it is in flight."""
        count, usd = self._seen[purpose.role]
        known = self._earlier.get(purpose.role, purpose.expected_usd)
        return max(known, usd / count) if count >= ENOUGH else known

    def foresee(self, calls: Mapping[Purpose, int], flying: float = 0.0) -> None:
        """Weigh a pass and all that follows from it, before the first of it is sent.

        `calls`: how many of each purpose, of one role in any rounds. `flying`: dollars of what
        earlier runs left with providers.

        Raises:
            BudgetError: together they would pass the wall.
        """
        if not calls:
            return
        now = sum(count * self.price(purpose) for purpose, count in calls.items())
        later = sum(count * self._later.get(each.role, 0.0) for each, count in calls.items())
        self.planned = self.spent + flying + now + later
        if self.planned > self.wall:
            role = next(iter(calls)).role
            follows = f" and ${later:,.2f} in later passes" if later else ""
            waiting = f" and ${flying:,.2f} in flight" if flying else ""
            raise BudgetError(
                f"{sum(calls.values()):,} {role} requests are expected to cost ${now:,.2f}"
                f"{follows}; with ${self.spent:,.2f} spent in this run{waiting} they would pass "
                f"the wall of ${self.wall:,.2f}",
                hint="none of them was sent; see `probec plan`, raise budget.max_usd or --max-usd, "
                "or build fewer documents",
            )

    def reserve(self, usd: float, what: str) -> None:
        """Count something as in flight, before it is sent.

        Raises:
            BudgetError: it would pass the wall; nothing was counted.
        """
        if self.spent + self.in_flight + usd > self.wall:
            raise BudgetError(
                f"{what} is expected to cost ${usd:,.2f}; with ${self.spent:,.2f} spent and "
                f"${self.in_flight:,.2f} in flight it would pass the wall of ${self.wall:,.2f}",
                hint="raise budget.max_usd or --max-usd and run again; what is in flight is kept",
            )
        self.in_flight += usd

    def release(self, usd: float) -> None:
        """It is no longer in flight."""
        self.in_flight = max(0.0, self.in_flight - usd)

    def paid(self, purpose: Purpose, reply: Reply) -> None:
        """A reply arrived and is billed."""
        usd = reply.usd(purpose.rate)
        count, total = self._seen[purpose.role]
        self._seen[purpose.role] = (count + 1, total + usd)
        self.spent += usd
