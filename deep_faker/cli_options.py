"""What several commands share: the options of a simulation, how it is loaded, and what an interrupt says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_faker.cli_printing import print_text
from deep_faker.streams import say

if TYPE_CHECKING:
    from deep_faker.run.report import RunReport
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
Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="A parameter in place of the file's."),
]

CheckpointEvery = Annotated[
    str | None,
    typer.Option(
        "--checkpoint-every", metavar="N|TIME", help='Events ("1M") or time ("30s") between checkpoints.'
    ),
]
Speed = Annotated[
    str | None, typer.Option("--speed", help="Let events leave at simulated time: 1, or 60 times as fast.")
]
Rate = Annotated[str | None, typer.Option("--rate", help='Let events leave at this rate: "5000/s".')]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
Json = Annotated[bool, typer.Option("--json", help="Summary as one JSON object on standard output.")]


def summarize(report: RunReport, *, json: bool, quiet: bool) -> None:
    """Say what a run did, as the command was told to."""
    if json:
        print_text(report.to_json())
    elif not quiet:
        say(report)


def loaded(
    file: str,
    seed: int | None = None,
    start_time: str | None = None,
    duration: str | None = None,
    time_step: str | None = None,
    n_flows: int | None = None,
    starts_per_step: int | None = None,
    param: Sequence[str] | None = None,
) -> Simulation:
    """The simulation in ``file``, with what the command says of its settings."""
    from deep_faker.declare.params import read_params
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
        if param:
            settings["params"] = read_params(sim.params, dict(map(_named, param)))
        sim.change(**{name: value for name, value in settings.items() if value is not None})
    return sim


def _named(text: str) -> tuple[str, str]:
    from deep_faker.errors import wrong_setting

    name, is_there, value = text.partition("=")
    if not is_there or not name:
        raise wrong_setting("param", text, "give a name and a value: --param discount=0.2")
    return name, value


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
