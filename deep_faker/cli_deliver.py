"""The command `deepfaker deliver`."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from deep_faker.cli_options import (
    CheckpointEvery,
    Duration,
    File,
    Json,
    NFlows,
    Order,
    Param,
    Quiet,
    Rate,
    Seed,
    Speed,
    StartsPerStep,
    StartTime,
    TimeStep,
    interrupts_said,
    loaded,
    settings_of_the_command,
    summarize,
)


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
    param: Param = None,
    checkpoint_every: CheckpointEvery = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", metavar="DIR", help="Folder of the checkpoints; DIR.delivery by default."
        ),
    ] = None,
    speed: Speed = None,
    rate: Rate = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Deliver anew, replacing what the outputs hold.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Deliver the parts in DIR, which FILE's simulation made, to FILE's outputs; or go on with that."""
    from deep_faker.write import destination

    sim = loaded(file, seed, start_time, duration, time_step, n_flows, starts_per_step, param)
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
    summarize(report, json=json, quiet=quiet)
