"""The command `deepfaker`: no logic of its own. Data on standard output, all else on standard error."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from deep_faker.cli_data import export, verify
from deep_faker.cli_deliver import deliver
from deep_faker.cli_options import (
    CheckpointEvery,
    Duration,
    Engine,
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
    StoppedError,
    TimeStep,
    interrupts_said,
    loaded,
    settings_of_the_command,
    summarize,
)
from deep_faker.cli_parts import commit, part_of
from deep_faker.cli_printing import print_text
from deep_faker.streams import GONE, abandon, prepare, say

if TYPE_CHECKING:
    from deep_faker.simulation import Simulation

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
_MOST_HEAPS = -8  # M_ARENA_MAX, a setting of glibc's mallopt()
SAMPLE_WIDTH = 48  # characters of a sample in a list


class _Commands(TyperGroup):
    """The commands, of which ``run`` is meant where only a file is named: ``deepfaker shop.py``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``--chdir`` may stand anywhere, as it is for all commands; a file alone is run."""
        moved, rest = _taken(args, "--chdir")
        files = [arg for arg in rest if arg.endswith(".py") or ".py:" in arg]
        begins = bool(files) and (rest[0].startswith("-") or rest[0] == files[0])
        if begins and not any(arg in self.commands for arg in rest):
            rest = ["run", *rest]
        return super().parse_args(ctx, [*moved, *rest])


def _taken(args: list[str], option: str) -> tuple[list[str], list[str]]:
    """An option with its value, and all other arguments."""
    taken: list[str] = []
    rest: list[str] = []
    left = iter(args)
    for arg in left:
        if arg == option:
            taken += [arg, *(value for value in (next(left, None),) if value is not None)]
        elif arg.startswith(f"{option}="):
            taken.append(arg)
        else:
            rest.append(arg)
    return taken, rest


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Generate realistic, stateful event streams from a Python file that makes a Simulation. "
    "The file is run. deepfaker FILE.py is deepfaker run FILE.py.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from deep_faker._version import __version__

        print_text(f"deepfaker {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    ctx: typer.Context,
    chdir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Go to this folder first; paths are taken from there.")
    ] = None,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """What holds for all commands."""
    if chdir is not None:
        from deep_faker.errors import Diagnostic, UsageError

        before = Path.cwd()
        try:
            os.chdir(Path(chdir).expanduser())
        except OSError as error:
            mend = "give the path of a folder"
            raise UsageError(Diagnostic(f"cannot go to {chdir}", None, error.strerror or "", mend)) from None
        ctx.call_on_close(lambda: os.chdir(before))


@app.command()
def run(
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the data set, one file of JSON lines (events.jsonl, events.jsonl.gz), "
            "or - for lines on standard output.",
        ),
    ] = None,
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="parquet (by default), csv, arrow, or jsonl.")
    ] = None,
    compression: Annotated[
        str | None, typer.Option(help="zstd, gzip, lz4, snappy, none: what the format has.")
    ] = None,
    partition_by: Annotated[
        str | None,
        typer.Option(metavar="KEYS", help="date, hour or fields, with commas: folders as Hive has them."),
    ] = None,
    rows_per_file: Annotated[
        str | None, typer.Option(metavar="N", help='Most rows of a file: "500k"; a million by default.')
    ] = None,
    file_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help='About how large a file is: "128MB".')
    ] = None,
    csv_formulas: Annotated[
        str | None,
        typer.Option(
            help="quote: an apostrophe before CSV texts that spreadsheets would run; keep by default."
        ),
    ] = None,
    seed: Seed = None,
    start_time: StartTime = None,
    duration: Duration = None,
    time_step: TimeStep = None,
    n_flows: NFlows = None,
    starts_per_step: StartsPerStep = None,
    param: Param = None,
    partitions: Annotated[int, typer.Option(help="Independent parts of the run.")] = 1,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I|auto",
            help="Make this one of the --partitions alone; auto: the number that Kubernetes, Slurm or Cloud "
            "Run gives its task.",
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="How many parts are made at a time.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Ray makes them: local, auto, ray://HOST:PORT.")] = None,
    order: Order = "time",
    engine: Engine = "vectorized",
    history: Annotated[bool, typer.Option("--history", help="Keep every version of every entity.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    checkpoint_every: CheckpointEvery = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", metavar="DIR", help="Folder of the checkpoints; by default beside the output."
        ),
    ] = None,
    speed: Speed = None,
    rate: Rate = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing data set.")] = False,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Put verify.sql and verify.py beside the data.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Run FILE's simulation into --output, or into the file's own outputs."""
    from deep_faker.errors import Diagnostic, UsageError

    sim = loaded(file, seed, start_time, duration, time_step, n_flows, starts_per_step, param)
    if output is None and not sim.outputs:
        raise UsageError(
            Diagnostic(
                "nowhere to write",
                None,
                f"{file} adds no output",
                "give --output DIR, or add_output in the file",
            )
        )
    if json and output == "-":
        label = "--json writes the summary to standard output, and --output - the events"
        raise UsageError(Diagnostic("two things on standard output", None, label, "leave one of them out"))
    with settings_of_the_command(), interrupts_said():
        shape = {
            "format": format,
            "compression": compression,
            "partition_by": partition_by.split(",") if partition_by is not None else None,
            "rows_per_file": rows_per_file,
            "file_size": file_size,
            "csv_formulas": csv_formulas,
        }
        _take_output(sim, output, {name: value for name, value in shape.items() if value is not None})
        report = sim.run(
            engine=engine,
            partitions=partitions,
            part=part_of(part),
            workers=workers,
            cluster=cluster,
            order=cast("Any", order),
            resume=resume,
            overwrite=overwrite,
            history=history,
            progress=not quiet,
            checkpoint_every=checkpoint_every,
            checkpoint=checkpoint,
            speed=speed,
            rate=rate,
            certificate=certificate,
        )
    summarize(report, json=json, quiet=quiet)


@app.command()
def explain(file: File, param: Param = None) -> None:
    """Show what FILE's flows compile to: states, fields, what runs by column and what by row."""
    print_text(loaded(file, param=param).explain())


@app.command()
def preview(
    file: File,
    n: Annotated[int, typer.Option("-n", min=1, help="How many events.")] = 20,
    initial: Annotated[
        bool, typer.Option("--initial/--no-initial", help="With events of initial entities: half at most.")
    ] = True,
    seed: Seed = None,
    start_time: StartTime = None,
    duration: Duration = None,
    time_step: TimeStep = None,
    n_flows: NFlows = None,
    starts_per_step: StartsPerStep = None,
    param: Param = None,
    engine: Engine = "vectorized",
) -> None:
    """Print some of the first events of FILE's simulation as JSON lines, without writing anything."""
    sim = loaded(file, seed, start_time, duration, time_step, n_flows, starts_per_step, param)
    for line in sim.preview(n, initial=initial, engine=engine):
        print_text(line)


app.command()(verify)
app.command()(export)
app.command()(commit)
app.command()(deliver)


@app.command()
def providers(
    pattern: Annotated[str, typer.Argument(help="Only names that hold this text.")] = "",
    locale: Annotated[
        str | None, typer.Option("--locale", help="As Faker (de_DE) or Mimesis (de) names it.")
    ] = None,
    mimesis: Annotated[bool, typer.Option("--mimesis", help="Those of Mimesis, not of Faker.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List what Field(faker=...) takes: how it is made (column or pool), a sample, its arguments."""
    import json as writer

    from deep_faker.values import entries

    counts: dict[str, int] = {}
    for entry in entries(library="mimesis" if mimesis else "faker", locale=locale, pattern=pattern):
        counts[entry.how] = counts.get(entry.how, 0) + 1
        if json:
            print_text(writer.dumps(entry.as_dict(), ensure_ascii=False))
        else:
            sample = " ".join(entry.sample.split())
            sample = sample if len(sample) <= SAMPLE_WIDTH else f"{sample[: SAMPLE_WIDTH - 1]}…"
            print_text(f"{entry.name:32} {entry.how or '-':7} {sample:{SAMPLE_WIDTH}} ({entry.arguments})")
    if not json:
        shown = ", ".join(f"{count} {how or 'with arguments only'}" for how, count in sorted(counts.items()))
        say(shown or f"no provider's name holds {pattern!r}")


@app.command(name="warm-up")
def warm_up() -> None:
    """Compile the native engine for this machine now, so that no run has to begin without it."""
    from deep_faker.errors import Diagnostic, RunError
    from deep_faker.simulate.native.machine import cache
    from deep_faker.simulate.native.machine.takeover import compile_now

    try:
        failed = cache.failure() if cache.available() is None else None
        if failed is not None:
            say(f"it could not be compiled before: {failed}")
        if cache.available() is None and not cache.ready():
            say("compiling the native engine (once for each version and kind of processor)")
        warmed = compile_now()
    except (RuntimeError, OSError) as error:
        label = "runs take the numpy engine, which gives the same events"
        raise RunError(Diagnostic("no native engine", None, label, str(error))) from None
    took = f"compiled in {warmed.seconds:.1f} s" if warmed.seconds else "was ready"
    say(f"native engine: {took}, {warmed.size / 1000:,.0f} kB in {warmed.file}")


def _take_output(sim: Simulation, output: str | None, shape: dict[str, Any]) -> None:
    """Run into ``output`` of that shape, in place of the file's own outputs."""
    from deep_faker.errors import Diagnostic, UsageError
    from deep_faker.write import destination

    if output is None:
        if shape:
            option = next(iter(shape)).replace("_", "-")
            label = f"--{option} says how --output is written"
            raise UsageError(Diagnostic(f"--{option} without --output", None, label, "give --output DIR too"))
        return
    taken = destination(output, **shape)
    sim.outputs.clear()
    sim.add_output(taken)


def main() -> None:
    """Entry point: exit code 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 nobody reads on."""
    prepare()
    _keep_small()
    code = _guarded(lambda: app(standalone_mode=False))
    if code == INTERRUPTED:
        # At once: a thread may still wait for a server that is away, and all that counts is on disk.
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _keep_small() -> None:
    """Settings for a process that is ours alone, made before the libraries are loaded that read them.

    numpy's threads for matrices, of which there are none here, spin for a tenth of a second at the start.
    Arrow's own allocator, and a heap for each thread, keep what threads free by turns: the demo took 523 MiB,
    and takes 415 without either, in the same time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        import ctypes  # here alone

        with suppress(AttributeError, OSError):  # a C library that has no such setting
            ctypes.CDLL(None).mallopt(_MOST_HEAPS, 1)


def _guarded(command: Callable[[], object]) -> int:
    from deep_faker.errors import DeclarationError, DeepFakerError, UsageError

    with _short_warnings():
        try:
            code = command()
        except UsageError as error:
            return _say(error, WRONG_USAGE)
        except DeepFakerError as error:
            settings = type(error).__name__ == "SettingsError" and isinstance(error, DeclarationError)
            return _say(error, WRONG_USAGE if settings else FAILED)
        except StoppedError as stopped:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending
            return _say(stopped, INTERRUPTED)
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except SystemExit as left:
            if isinstance(left.__context__, BrokenPipeError):  # so click ends where nobody reads its help
                abandon()
                return GONE
            raise
        except Exception as error:
            click_error = getattr(error, "format_message", None)
            if click_error is None:
                raise
            error.show()  # type: ignore[attr-defined]  # click's own usage errors know how to show themselves
            return WRONG_USAGE
    if code == INTERRUPTED:  # typer may have turned the interrupt into this code itself
        say("interrupted: nothing that reads as whole was left")
    return code if isinstance(code, int) else 0


def _say(error: Exception, code: int) -> int:
    say(error)
    return code


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Our warnings are whole messages: without the line of this package that raised them."""
    usual = warnings.formatwarning

    def short(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> str:
        from deep_faker.errors import DeepFakerWarning

        if issubclass(category, DeepFakerWarning):
            return f"{message}\n"
        return usual(message, category, *rest, **named)

    warnings.formatwarning = short
    try:
        yield
    finally:
        warnings.formatwarning = usual


if __name__ == "__main__":
    main()
