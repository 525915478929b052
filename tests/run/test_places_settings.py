"""Wrong settings: whatever is given for whatever argument, it works, or an error of the project's own says why."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest

from deep_faker import (
    AddDecay,
    BaseEvent,
    Dataset,
    DeltaOutput,
    Entity,
    Field,
    FileOutput,
    KafkaOutput,
    MySQLOutput,
    NewEvent,
    ParquetOutput,
    PostgresOutput,
    Select,
    SetState,
    Simulation,
    StateField,
    StdOutOutput,
)
from deep_faker.dataset import verify
from deep_faker.errors import DeepFakerError

VALUES = {
    "None": None,
    "empty": "",
    "x": "x",
    "minus": -1,
    "zero": 0,
    "one and a half": 1.5,
    "huge": 1e300,
    "nan": float("nan"),
    "inf": float("inf"),
    "big": 10**30,
    "object": object(),
    "list": [],
    "dict": {},
    "list of None": [None],
    "dict of None": {None: None},
    "True": True,
    "bytes": b"x",
    "surrogate": "\ud800",
    "NUL": "a\0b",
    "class": int,
    "function": len,
}


class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    n: int = 1


class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    visits: int = StateField(default=0)


class Ctx:
    """Stands for a flow's context."""


def arguments(function: Any, *without: str) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [
        p.name for p in found if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in without
    ]


def simulation(**settings: Any) -> Simulation:
    usual: dict[str, Any] = {
        "duration": "2s",
        "start_time": "2024-01-01",
        "n_flows": 2,
        "random_seed": 1,
        "initial_entities": {User: 2},
    }
    sim = Simulation(**{**usual, **settings})

    @sim.flow(filter=Select(User))
    def visit(ctx):
        yield AddDecay(ctx, seconds=1)

    return sim


def ran(output: Any) -> None:
    sim = simulation()
    sim.add_output(output)
    sim.run(progress=False)


def event(**given: Any) -> None:
    type("E", (BaseEvent,), {"__annotations__": {"f": str}, "__module__": __name__, "f": Field(**given)})


def state(**given: Any) -> None:
    members = {"primary_key": "user_id", "source_event": Joined, "__annotations__": {"f": str}}
    type("E", (Entity,), {**members, "__module__": __name__, "f": StateField(**given)})


def entity(**given: Any) -> None:
    type("E", (Entity,), {"primary_key": "user_id", "source_event": Joined, "__module__": __name__, **given})


def filled(kind: Any, **given: Any) -> None:
    ran(kind(**{"path": "out.jsonl" if kind is FileOutput else "out", **given}))


SQL = {"host": "localhost", "user": "u", "database": "d", "table_mapping": {Joined: "t"}}
DOORS: dict[str, tuple[list[str], Any]] = {
    "Simulation": (arguments(Simulation), lambda **g: simulation(**g).collect()),
    "change": (arguments(Simulation), lambda **g: simulation().change(**g)),
    "run": (
        [name for name in arguments(Simulation.run, "self", "output") if name != "resume"],
        lambda **g: simulation().run("out", overwrite=g.pop("overwrite", True), **g),
    ),
    "run into": (["output"], lambda **g: simulation().run(**g)),
    "resume": (["resume", "overwrite"], lambda **g: simulation().run("out", **{"resume": True, **g})),
    "collect": (arguments(Simulation.collect, "self"), lambda **g: simulation().collect(**g)),
    "batches": (
        arguments(Simulation.batches, "self"),
        lambda **g: list(simulation().batches(**{"events": Joined, **g})),
    ),
    "columns of batches": (["Joined"], lambda **g: simulation().batches(columns=g)),
    "scan": (
        arguments(Simulation.scan, "self"),
        lambda **g: simulation().scan(**{"event": Joined, **g}).head(1).collect(),
    ),
    "shards": (["index", "of"], lambda **g: simulation().batches().shard(**{"index": 0, "of": 1, **g})),
    "skip": (["batches"], lambda **g: simulation().batches().skip(**g)),
    "preview": (["n"], lambda **g: simulation().preview(**g)),
    "flow": (arguments(Simulation.flow, "self"), lambda **g: simulation().flow(**g)(lambda ctx: (yield))),
    "add_output": (["output"], lambda **g: ran(g["output"])),
    "events of an output": (["events"], lambda **g: simulation().add_output(StdOutOutput(), **g)),
    "FileOutput": (arguments(FileOutput), lambda **g: filled(FileOutput, **g)),
    "ParquetOutput": (arguments(ParquetOutput), lambda **g: filled(ParquetOutput, **g)),
    "DeltaOutput": (arguments(DeltaOutput), lambda **g: filled(DeltaOutput, **g)),
    "MySQLOutput": (arguments(MySQLOutput), lambda **g: MySQLOutput(**{**SQL, **g})),
    "PostgresOutput": (arguments(PostgresOutput), lambda **g: PostgresOutput(**{**SQL, **g})),
    "KafkaOutput": (arguments(KafkaOutput), lambda **g: KafkaOutput(**{"topic_mapping": {Joined: "t"}, **g})),
    "Dataset.open": (arguments(Dataset.open), lambda **g: Dataset.open(**{"path": "out", **g})),
    "verify": (arguments(verify), lambda **g: verify(**g)),
    "Select": (["where", "shared", "weight"], lambda **g: Select(Ctx(), User, **g)),
    "Select what": (["entity"], lambda **g: Select(Ctx(), g["entity"])),
    "where field": (["field"], lambda **g: Select(User, where=[(g["field"], "is", 1)])),
    "where operator": (["op"], lambda **g: Select(User, where=[("visits", g["op"], 1)])),
    "where value": (
        ["is", "in", "between", ">", "is_null"],
        lambda **g: Select(User, where=[("visits", *next(iter(g.items())))]),
    ),
    "SetState": (["changes"], lambda **g: SetState(Ctx(), User, **g)),
    "change value": (
        ["is", "add", "multiply", "min"],
        lambda **g: SetState(User, [("visits", *next(iter(g.items())))]),
    ),
    "AddDecay": (
        ["rate", "seconds", "microseconds", "weeks", "nonsense"],
        lambda **g: AddDecay(Ctx(), **g),
    ),
    "NewEvent": (["save_entity", "mutate", "n", "nonsense"], lambda **g: NewEvent(Ctx(), Joined, **g)),
    "NewEvent what": (["event"], lambda **g: NewEvent(Ctx(), g["event"])),
    "context": (["ctx"], lambda **g: NewEvent(g["ctx"], Joined)),
    "Field": (arguments(Field), event),
    "StateField": (arguments(StateField), state),
    "Entity": (["primary_key", "source_event", "visits"], entity),
}
CASES = [(door, name) for door, (names, _) in DOORS.items() for name in names]


@pytest.mark.parametrize(("door", "name"), CASES, ids=[f"{door} {name}" for door, name in CASES])
def test_no_argument_takes_nonsense_in_silence_or_falls_over(door, name, tmp_path, monkeypatch, capfd):
    """Every argument of every public call, given values of every kind: none raises an error of another's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    _, call = DOORS[door]
    raw = []
    for kind, value in VALUES.items():
        place = tmp_path / kind.replace(" ", "")
        place.mkdir()
        (place / "here").mkdir()
        monkeypatch.chdir(place / "here")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call(**{name: value})
            except DeepFakerError as error:
                if not str(error).strip() or "Traceback" in str(error):
                    raw.append(f"{kind}: an empty message")
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                raw.append(f"{kind}: {type(error).__name__}: {error}")
    assert raw == []
