"""What several commands share: the options of a simulation, how it is loaded, and what an interrupt says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deep_faker.simulation import Simulation

File = Annotated[
    str, typer.Argument(metavar="FILE[:NAME]", help="Python file that makes a Simulation. It is run.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Random seed, in place of the file's.")]
StartTime = Annotated[str | None, typer.Option("--start-time", help='ISO 8601 or "now".')]
Duration = Annotated[
    str | None, typer.Option("--duration", help='How long flows start: "90s", "1h30m", "2d".')
]
TimeStep = Annotated[
    str | None, typer.Option("--time-step", help="Resolution at which flows see each other.")
]
NFlows = Annotated[int | None, typer.Option("--n-flows", help="Most flows active at once.")]
Engine = Annotated[str, typer.Option(help="vectorized (the best that is there), native, numpy or reference.")]
Order = Annotated[
    str,
    typer.Option(
        help="Of parts that are delivered to other outputs: time, over all of them, or part after part."
    ),
]
StartsPerStep = Annotated[
    int | None, typer.Option("--starts-per-step", help="Flows started in each step, however many are active.")
]


def loaded(
    file: str,
    seed: int | None = None,
    start_time: str | None = None,
    duration: str | None = None,
    time_step: str | None = None,
    n_flows: int | None = None,
    starts_per_step: int | None = None,
) -> Simulation:
    """The simulation in ``file``, with what the command says of its settings."""
    from deep_faker.loader import load_simulation

    sim = load_simulation(file)
    settings: dict[str, Any] = {
        "duration": duration,
        "start_time": start_time,
        "time_step": time_step,
        "n_flows": n_flows,
        "starts_per_step": starts_per_step,
        "random_seed": seed,
    }
    with settings_of_the_command():
        sim.change(**{name: value for name, value in settings.items() if value is not None})
    return sim


class StoppedError(Exception):
    """An interrupt that says how to go on: typer would put a plain one into an exit code."""


@contextmanager
def interrupts_said() -> Iterator[None]:
    """Let an interrupt of a run that can go on say how."""
    from deep_faker.errors import RunInterrupted

    try:
        yield
    except RunInterrupted as stopped:
        raise StoppedError(str(stopped)) from None


@contextmanager
def settings_of_the_command() -> Iterator[None]:
    """A wrong setting that was given as an option has no line: without that of the package that called us."""
    from dataclasses import replace

    from deep_faker.errors import SettingsError

    try:
        yield
    except SettingsError as error:
        folder = Path(typer.__file__).parent
        raise SettingsError(
            *(
                replace(d, span=None) if d.span and folder in Path(d.span.file).parents else d
                for d in error.diagnostics
            )
        ) from None
