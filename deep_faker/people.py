"""People who differ: distributions made of others, groups, traits that go together, and who leaves.

They go wherever a distribution does: ``StateField(draw=Mixture({…}))``, ``Field(dist=Truncated(…))``,
``AddDecay(ctx, minutes=…)``, ``ctx.draw(…)``.
"""

from deep_faker.declare.actions import Retire
from deep_faker.draws.distributions.correlated import Correlated
from deep_faker.draws.distributions.declared import Mixture, Truncated
from deep_faker.draws.distributions.segments import Segments

__all__ = ["Correlated", "Mixture", "Retire", "Segments", "Truncated"]
