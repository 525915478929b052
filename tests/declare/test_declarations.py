"""Every diagnostic of a declaration, as the user sees it: one file a kind in golden/declarations.

A file holds what the user wrote, a line ``---``, and the message. ``UPDATE_GOLDEN=1 pytest
tests/declare/test_declarations.py`` writes the messages anew; read the difference before committing it.
"""

from __future__ import annotations

import linecache
import os
import warnings

import pytest

from deep_faker.errors import DeepFakerError, DeepFakerWarning
from tests.support.places import GOLDEN

FOLDER = GOLDEN / "declarations"
PRELUDE = """
import enum
from datetime import date, datetime, time, timedelta, timezone
from typing import Annotated, Any, Literal, Optional
from deep_faker.actions import *
from deep_faker.declare.actions import warn_literal_times
from deep_faker.spans import caller_span
from deep_faker.declare.schema import BaseEvent, Entity, Field, StateField, entity_spec
from deep_faker.times import Grid, parse_duration, parse_instant

class Signup(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    plan: str = Field(faker="random_element", elements=["free", "pro"])
    age: int = Field(faker="random_int", min=18, max=80)

class Login(BaseEvent):
    user_id: str

class User(Entity):
    source_event = Signup
    primary_key = "user_id"
    visits: int = StateField(default=0)
    balance: float = StateField(default=0.0)
    status: Literal["active", "gone"] = StateField(default="active")
    tags: list[str] = StateField(default=[])
    last_visit: Optional[datetime] = StateField(default=None)
    limit: Annotated[int, Field(ge=0)] = StateField(default=0)

class Shop(Entity):
    primary_key = "shop_id"

ctx = object()
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_diagnostic_reads_as_written(path):
    """str() of the error or warning is the golden text: fact, the user's line, and the mend."""
    source, _, expected = path.read_text(encoding="utf-8").partition("---\n")
    message = message_of(source) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(f"{source}---\n{message}", encoding="utf-8")
    else:
        assert message == expected


def test_every_golden_message_names_the_line_and_the_mend():
    """No diagnostic of a declaration comes without a place, and none without help."""
    for path in FOLDER.glob("*.txt"):
        message = path.read_text(encoding="utf-8").partition("---\n")[2]
        assert "(shop.py:" in message, path.stem
        assert "\nhelp: " in message, path.stem


def message_of(source: str) -> str:
    """What a user whose file ``shop.py`` is ``source`` would read."""
    names: dict[str, object] = {"__name__": "shop"}
    exec(_compiled(PRELUDE, "prelude.py"), names)
    linecache.cache["shop.py"] = (len(source), None, source.splitlines(keepends=True), "shop.py")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(_compiled(source, "shop.py"), names)
        except DeepFakerError as error:
            return str(error)
    [warning] = caught
    assert issubclass(warning.category, DeepFakerWarning)
    assert (warning.filename, warning.lineno) == ("shop.py", warning.lineno)
    return str(warning.message)


def _compiled(source: str, file: str):
    # Users' files need not postpone their annotations, as this one does.
    return compile(source, file, "exec", dont_inherit=True)
