"""What the first deep_faker calls by its own names is taken here too."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path

import pytest
import typer

import deep_faker
from deep_faker import (
    AddDecay,
    BaseEvent,
    Entity,
    Field,
    FileOutput,
    FlowContext,
    MySQLOutput,
    NewEvent,
    Select,
    SetState,
    Simulation,
    StateField,
    cli,
)
from deep_faker.errors import DeclarationError, SettingsError
from tests.support.engine_agreement import compiled, differences, tables
from tests.support.engines import ENGINES, engines_for


class Joined(BaseEvent):
    user_id: str = Field(primary_key=True, faker="shortuuid", length=8)
    plan: str = "free"


class Listed(BaseEvent):
    product_id: str = Field(faker="shortuuid", length=8)


class Seen(BaseEvent):
    user_id: str | None = None
    text: str
    holds_user: bool
    lacks_product: bool


class User(Entity):
    source_event = Joined
    n: int = StateField(default=0)


class Product(Entity):
    source_event = Listed
    primary_key = "product_id"


# ------------------------------------------------ declarations


def test_a_marked_field_is_the_key_of_an_entity_that_names_none():
    """`Field(primary_key=True)`; what the entity names wins."""
    assert deep_faker.declare.schema.entity_spec(User).primary_key == "user_id"

    class ByPlan(Entity):
        source_event = Joined
        primary_key = "plan"

    assert deep_faker.declare.schema.entity_spec(ByPlan).primary_key == "plan"


def test_two_marked_fields_name_no_key():
    """Which of them is meant, the entity has to say."""

    class Two(BaseEvent):
        one: str = Field(primary_key=True, faker="uuid4")
        two: str = Field(primary_key=True, faker="uuid4")

    with pytest.raises(DeclarationError, match="no primary key"):

        class Thing(Entity):
            source_event = Two

    with pytest.raises(DeclarationError, match="wrong primary_key"):
        Field(primary_key="yes")


def test_a_mark_is_inherited_and_needs_no_generator():
    """It is no argument of a provider, and goes along with the field to subclasses of the event."""

    class Base(BaseEvent):
        key: str = Field(primary_key=True, min_length=1)

    class Made(Base):
        more: int = 0

    class Thing(Entity):
        source_event = Made

    assert deep_faker.declare.schema.entity_spec(Thing).primary_key == "key"


def test_state_without_a_start_is_none():
    """`StateField(type_=str)`: None until it is set, whatever the type; ``add`` on it is refused as ever."""

    class Box(Entity):
        primary_key = "box_id"
        source_event = None
        label: str = StateField(type_=str)
        size: int = StateField()

    sim = Simulation("3s", start_time="2024-01-01", random_seed=1, initial_entities={Box: 3})

    @sim.flow(filter=Select(Box, where=[("label", "is_null", None)]))
    def named(ctx: FlowContext):
        yield SetState(Box, [("label", "is", "full"), ("size", "is", 4)])

    for engine in ENGINES:
        boxes = sim.collect(engine=engine).entities["Box"]
        assert set(boxes["label"]) == {"full"}
        assert set(boxes["size"]) == {4}
    with pytest.raises(DeclarationError, match="size"):
        SetState(Box, [("size", "add", 1)])


@pytest.mark.parametrize("least", [0, 0.0, -5])
def test_positive_numbers_with_a_bound_of_zero(least):
    """``positive=True`` beside ``min_value=0`` means above zero; Faker itself refuses the two together."""

    class Priced(BaseEvent):
        price: float = Field(faker="pyfloat", min_value=least, max_value=25.99, positive=True)

    sim = Simulation("60s", start_time="2024-01-01", random_seed=1, n_flows=50)

    @sim.flow()
    def pricing(ctx: FlowContext):
        yield NewEvent(ctx, Priced)

    price = sim.collect()["Priced"]["price"]
    assert 0 < price.min() < 2
    assert 23 < price.max() <= 25.99


# ------------------------------------------------ modules and names


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("actions", "AddDecay Context FlowContext GlobalContext NewEvent Select SetState"),
        ("base", "BaseEvent Entity Field StateField"),
        ("entity_manager", "EntityManager"),
        ("outputs", "FileOutput KafkaOutput MySQLOutput StdOutOutput"),
        ("logging", "get_logger setup_logging"),
        ("simulation", "Simulation"),
    ],
)
def test_names_of_the_first_ones_modules(module, names):
    """Each is the very thing that the package exports."""
    found = importlib.import_module(f"deep_faker.{module}")
    for name in names.split():
        assert getattr(found, name) is getattr(deep_faker, name, getattr(found, name))
    with pytest.raises(ImportError):
        exec(f"from deep_faker.{module} import NoSuchName")


def test_the_entity_manager_is_what_looks_at_all_entities():
    """A name for annotations; who makes one is told where it is."""
    assert deep_faker.EntityManager is deep_faker.GlobalContext
    with pytest.raises(DeclarationError, match=r"ctx\.global_context"):
        deep_faker.EntityManager()


def test_a_simulation_without_a_duration_takes_an_hour():
    """`Simulation()`."""
    assert Simulation().duration == 3_600_000_000


# ------------------------------------------------ ctx.selected_entities


def looks(ctx: FlowContext, word: str):
    user = ctx.get_selected_entity(User) if ctx.selected_entities else None
    product = ctx.selected_entities.get(Product)
    yield NewEvent(
        ctx,
        Seen,
        user_id=user.get_primary_key() if user else None,
        text=word + (product.product_id if product else "-"),
        holds_user=User in ctx.selected_entities,
        lacks_product=Product not in ctx.selected_entities,
    )


def world() -> Simulation:
    sim = Simulation(
        "20s", start_time="2024-01-01", random_seed=1, n_flows=6, initial_entities={User: 5, Product: 3}
    )

    @sim.flow()
    def alone(ctx: FlowContext):
        yield from looks(ctx, "alone")

    @sim.flow(filter=Select(User))
    def together(ctx: FlowContext):
        yield from looks(ctx, "first")
        yield AddDecay(ctx, rate=0.1, seconds=3)
        yield Select(ctx, Product)
        yield from looks(ctx, "then")
        name = ctx.selected_entities[User].user_id if not ctx.selected_entities.get(Product) else "both"
        yield NewEvent(ctx, Seen, text=name, holds_user=bool(name), lacks_product=False)

    return sim


def test_f9_selected_entities_compile():
    """Its truth, ``in``, ``get`` and ``[…]`` of what is held for certain; the same on every engine."""
    plan = compiled(world())
    assert not any(flow.live for flow in plan.flows)
    assert "row by row: 0" in world().explain()
    made = {engine: tables(plan, 1, engine) for engine in engines_for(plan)}
    for result in made.values():
        assert not differences(result, made["reference"])
    seen = world().collect()["Seen"]
    alone = seen.filter(seen["text"].str.starts_with("alone"))
    assert set(alone["user_id"]) == {None}
    assert set(alone["holds_user"]) == {False}
    first = seen.filter(seen["text"].str.starts_with("first"))
    assert set(first["text"]) == {"first-"}
    assert None not in set(first["user_id"])
    then = seen.filter(seen["text"].str.starts_with("then"))
    assert set(then["lacks_product"]) == {True, False}


# ------------------------------------------------ outputs


def test_format_json_is_a_json_object_a_line(tmp_path: Path):
    """`FileOutput(…, format="json")`."""
    sim = world()
    sim.add_output(FileOutput(tmp_path / "out" / "events.jsonl", format="json"))
    sim.run(progress=False)
    lines = (tmp_path / "out" / "events.jsonl").read_text().splitlines()
    assert len(lines) > 20
    assert {json.loads(line)["event_type"] for line in lines} == {"Seen", "Joined", "Listed"}
    with pytest.raises(SettingsError, match="wrong format"):
        FileOutput(tmp_path / "x", format="text")


def test_a_mysql_server_may_be_a_mapping():
    """`MySQLOutput(connection_config=…)`, by the names of mysql-connector."""
    config = {"host": "db", "user": "me", "password": "secret", "database": "events", "port": 3307}
    output = MySQLOutput(connection_config=config, table_mapping={Joined: "users"})
    assert repr(output) == "MySQLOutput('me@db:3307/events', {'Joined': 'users'})"


# ------------------------------------------------ the command

PROGRAM = """
from deep_faker import *
class Ping(BaseEvent):
    size: int = Field(faker="random_int", min=1, max=9)
sim = Simulation(duration="5s", n_flows=2)
@sim.flow()
def ping(ctx):
    yield NewEvent(ctx, Ping)
sim.add_output(FileOutput("pings.jsonl"))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "pings.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: str) -> int:
    app = typer.main.get_command(cli.app)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cli._guarded(lambda: app.main(list(arguments), standalone_mode=False))


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("examples/pings.py", "pings.jsonl"),
        ("examples/pings.py:sim -q", "pings.jsonl"),
        ("--chdir examples pings.py", "examples/pings.jsonl"),
        ("pings.py --chdir=examples", "examples/pings.jsonl"),
        ("run --chdir examples pings.py", "examples/pings.jsonl"),
        ("--seed 4 examples/pings.py --output out", "out/manifest.json"),
        ("--chdir examples pings.py --output out", "examples/out/manifest.json"),
    ],
)
def test_p5_a_file_alone_is_run(line, written, folder, capsys):
    """`deepfaker FILE`, with options before or behind it; ``--chdir`` anywhere, for as long as it takes."""
    assert command(*line.split()) == 0, capsys.readouterr().err
    assert (folder / written).exists()
    assert Path.cwd() == folder


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("--chdir nowhere pings.py", 2, "cannot go to nowhere"),
        ("--chdir examples/pings.py pings.py", 2, "cannot go to examples/pings.py"),
        ("examples/other.py", 2, "there is no such file"),
        ("rnu examples/pings.py", 2, "Did you mean 'run'?"),
        ("pings", 2, "No such command 'pings'"),
        ("--chdir", 2, "requires an argument"),
    ],
)
def test_p5_wrong_lines_are_told_apart(line, code, said, folder, capsys):
    """A misspelt command is no file, and a folder that is not there no reason to run elsewhere."""
    assert command(*line.split()) == code
    assert said in capsys.readouterr().err


def test_p5_chdir_is_for_every_command(folder, capsys):
    """Explain and preview find the file there."""
    assert command("explain", "pings.py", "--chdir", "examples") == 0
    assert "FLOW ping" in capsys.readouterr().out
    assert command("--chdir", "examples", "preview", "pings.py", "-n", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
