"""What all live flows of a run draw by and look up: keys, filters, seasons."""

from __future__ import annotations

from deep_faker.declare.seasons import Season
from deep_faker.declare.seasons.in_flows import FactorNow
from deep_faker.draws.mix import Draws
from deep_faker.plan import Plan
from deep_faker.simulate.live.requests import Filters


class RunDraws:
    """The keys of the draws of one run."""

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.plan, self.draws, self.filters = plan, draws, Filters(plan)
        self.random_key, self.select_key = draws.key("random"), draws.key("select")
        self.decay_key, self.session_key = draws.key("decay"), draws.id_key("sid")
        self._factors: dict[int, FactorNow] = {}

    def factor(self, season: Season) -> FactorNow:
        """The factors of a season in this run."""
        if id(season) not in self._factors:  # by identity, which is held: seasons need not have a hash
            settings = self.plan.settings
            self._factors[id(season)] = FactorNow(season, settings.start, settings.last)
        return self._factors[id(season)]
