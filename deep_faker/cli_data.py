"""The commands on data sets that are there: `deepfaker verify` and `deepfaker export`."""

from __future__ import annotations

from typing import Annotated

import typer

from deep_faker.streams import say


def verify(folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a data set.")]) -> None:
    """Check a data set against its manifest: files, rows, checksums; and its certificate, if it has one."""
    from deep_faker.dataset import verify as check
    from deep_faker.errors import DatasetError, Diagnostic

    problems = check(folder)
    if problems:
        raise DatasetError(
            Diagnostic(f"{folder} is not whole", None, "\n".join(problems), "generate it again")
        )
    say(f"{folder}: whole")


def export(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a data set.")],
    format: Annotated[  # noqa: A002 - the option's name
        str,
        typer.Option(help="ocel, xes, debezium, relbench, easytpp, hotpp, meds or huggingface."),
    ],
    output: Annotated[
        str, typer.Option(metavar="PATH", help="File or folder to write; kafka://HOST:PORT for debezium.")
    ],
    entity: Annotated[
        str | None, typer.Option(help="Whose sequences: an entity type, for easytpp, hotpp and meds.")
    ] = None,
    case: Annotated[
        str | None, typer.Option(help="What a case of an XES log is: an entity type; sessions by default.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing export.")] = False,
) -> None:
    """Write the data set in DIR in a format that other tools read."""
    from deep_faker.dataset import Dataset

    given = {"entity": entity, "case": case}
    options = {name: value for name, value in given.items() if value is not None}
    Dataset.open(folder).export(format, output, overwrite=overwrite, **options)
    say(f"{output}: written")
