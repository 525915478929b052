"""The command `deepfaker deliver`."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from deep_faker.cli_options import (
    Duration,
    File,
    NFlows,
    Order,
    Seed,
    StartsPerStep,
    StartTime,
    TimeStep,
    interrupts_said,
    loaded,
    settings_of_the_command,
)
from deep_faker.cli_printing import print_text
from deep_faker.streams import say


def deliver(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a data set of parts.")],
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file of JSON lines, or - for standard output, in place of the file's outputs.",
        ),
    ] = None,
    order: Order = "time",
    seed: Seed = None,
    start_time: StartTime = None,
    duration: Duration = None,
    time_step: TimeStep = None,
    n_flows: NFlows = None,
    starts_per_step: StartsPerStep = None,
    checkpoint_every: Annotated[
        str | None,
        typer.Option(
            "--checkpoint-every", metavar="N|TIME", help='Events ("1M") or time ("30s") between checkpoints.'
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", metavar="DIR", help="Folder of the checkpoints; DIR.delivery by default."
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option("--speed", help="Let events leave at simulated time: 1, or 60 times as fast."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", help='Let events leave at this rate: "5000/s".')
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Deliver anew, replacing what the outputs hold.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Summary as one JSON object on standard output.")
    ] = False,
) -> None:
    """Deliver the parts in DIR, which FILE's simulation made, to FILE's outputs; or go on with that."""
    from deep_faker.write import destination

    sim = loaded(file, seed, start_time, duration, time_step, n_flows, starts_per_step)
    with settings_of_the_command(), interrupts_said():
        if output is not None:
            taken = destination(output)
            sim.outputs.clear()
            sim.add_output(taken)
        report = sim.deliver(
            folder,
            order=cast("Any", order),
            overwrite=overwrite,
            progress=not quiet,
            checkpoint_every=checkpoint_every,
            checkpoint=checkpoint,
            speed=speed,
            rate=rate,
        )
    if json:
        print_text(report.to_json())
    elif not quiet:
        say(report)
