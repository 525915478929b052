"""The command `deepfaker commit`, and how `run` is told of a part."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from deep_faker.cli_printing import print_text
from deep_faker.streams import say


def part_of(text: str | None) -> int | Literal["auto"] | None:
    """What ``--part`` means; None where it is not given. Raises `UsageError` for what is no part.

    >>> part_of("3"), part_of("auto"), part_of(None)
    (3, 'auto', None)
    """
    if text is None or text == "auto":
        return None if text is None else "auto"
    if not text.isdecimal():
        from deep_faker.errors import Diagnostic, UsageError

        raise UsageError(Diagnostic("wrong part", None, f"--part {text}", "give a number from 0 on, or auto"))
    return int(text)


def commit(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder in which the parts lie.")],
    status: Annotated[
        bool, typer.Option("--status", help="Only say which parts are there and which are missing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make one data set of the parts in DIR: check their receipts, write the manifest."""
    import json as writer

    from deep_faker.run.parted.commit import commit as made
    from deep_faker.run.parted.commit import status as asked

    found = asked(folder) if status else made(folder)
    if json:
        print_text(writer.dumps(found.as_dict()))
    elif status:
        print_text(str(found))
    else:
        say(found)
