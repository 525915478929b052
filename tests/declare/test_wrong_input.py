"""Wrong input: one clear message that names the thing, the value and the mend, the right exit code, no half file.

A case is the text that a user wrote in place of a part of `SHOP`, run by the command in this process.
"""

from __future__ import annotations

import gzip
import re
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from deep_faker import cli

SHOP = """from datetime import datetime, timedelta
from deep_faker import *
import random

class Joined(BaseEvent):
    user_id: str = Field(faker="shortuuid", length=8)
    age: int = Field(faker="random_int", min=18, max=80)

class User(Entity):
    source_event = Joined
    primary_key = "user_id"
    visits: int = StateField(default=0, type_=int)
    mood: str = StateField(default="calm", type_=str)
    seen: datetime | None = StateField(default=None, type_=datetime)

class Visited(BaseEvent):
    user_id: str
    price: float = Field(faker="pyfloat", min_value=1.0, max_value=9.0)

# MORE

sim = Simulation(duration="3s", start_time="2024-01-01", n_flows=2, random_seed=1, initial_entities={User: 4})

@sim.flow(filter=Select(User))
def visit(ctx):
    yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))
    # THEN
"""


@dataclass(frozen=True)
class Case:
    """``old`` of `SHOP` is written as ``new``; the message holds the words, and the line of ``new``."""

    name: str
    old: str
    new: str
    words: str  # separated by " | "
    code: int = 1
    at_line: str | None = None  # the line that the message must name holds this; None: the one of ``new``


def then(name: str, body: str, words: str, code: int = 1) -> Case:
    """A line more in the flow."""
    return Case(name, "# THEN", body, words, code)


def more(name: str, text: str, words: str, at_line: str | None = None, code: int = 1) -> Case:
    """Declarations more."""
    return Case(name, "# MORE", text, words, code, at_line)


def field(name: str, price: str, words: str, at_line: str = "price: ") -> Case:
    """Another declaration of ``Visited.price``."""
    return Case(
        name, 'float = Field(faker="pyfloat", min_value=1.0, max_value=9.0)', price, words, 1, at_line
    )


def setting(name: str, old: str, new: str, words: str) -> Case:
    """Another argument of Simulation."""
    return Case(name, old, new, words, 2)


CASES = [
    # settings
    setting("duration_word", 'duration="3s"', 'duration="soon"', "duration | 'soon' | 1h30m"),
    setting("duration_zero", 'duration="3s"', "duration=0", "duration | 0"),
    setting("duration_negative", 'duration="3s"', 'duration="-5m"', "duration | '-5m'"),
    setting("duration_none", 'duration="3s"', "duration=None", "duration | None"),
    setting("start_word", '"2024-01-01"', '"yesterday"', "start_time | 'yesterday' | now"),
    setting("start_impossible", '"2024-01-01"', '"2024-02-31"', "start_time | '2024-02-31'"),
    setting("start_number", 'start_time="2024-01-01"', "start_time=7", "start_time | 7"),
    setting("step_word", "n_flows=2", 'n_flows=2, time_step="tick"', "time_step | 'tick'"),
    setting("step_zero", "n_flows=2", 'n_flows=2, time_step="0s"', "time_step | '0s'"),
    setting("n_flows_zero", "n_flows=2", "n_flows=0", "n_flows | 0 | whole number"),
    setting("n_flows_text", "n_flows=2", 'n_flows="2"', "n_flows | '2' | whole number"),
    setting("seed_text", "random_seed=1", 'random_seed="x"', "random_seed | 'x' | whole number"),
    setting("on_end", "random_seed=1", 'random_seed=1, on_end="stop"', "on_end | 'stop' | cut"),
    setting("emit_initial", "random_seed=1", 'random_seed=1, emit_initial_entities="no"', "'no' | True or False"),
    setting("initial_list", "{User: 4}", "[User]", "initial_entities | mapping"),
    setting("initial_event", "{User: 4}", "{Joined: 4}", "initial_entities | Joined | Entity"),
    setting("initial_negative", "{User: 4}", "{User: -4}", "initial_entities[User] | -4"),
    Case("initial_unknown", "{User: 4}", '{"Usr": 4}', "Usr | User", 2),
    # declarations
    field("provider_unknown", 'str = Field(faker="nmae")', "nmae | name"),
    field("provider_argument", 'int = Field(faker="random_int", mini=2)', "mini | min"),
    field("mimesis_unknown", 'str = Field(mimesis="person.nme")', "person.nme | name"),
    field("locale_unknown", 'str = Field(faker="name", locale="xx_YY")', "xx_YY"),
    field("two_providers", 'str = Field(faker="name", mimesis="person.name")', "faker | mimesis"),
    field("length", 'str = Field(faker="shortuuid", length=0)', "length | 0"),
    field("no_elements", 'str = Field(faker="random_element", elements=[])', "elements"),
    field("bounds", 'int = Field(faker="random_int", min=9, max=2)', "9 | 2"),
    field("converted", 'int = Field(faker="first_name")', "price | int"),
    field("constraint", 'float = Field(faker="random_int", min=1, max=3, gt=5)', "price | 5", "yield NewEvent"),
    field("required", "str", "price | Visited", "yield NewEvent"),
    more("sys_field", "class E(BaseEvent):\n    sys__eid: str", "sys__eid", "sys__eid"),
    more("default_type", 'class T(Entity):\n    source_event = Joined\n    primary_key = "user_id"\n    n: int = StateField(default="x", type_=int)', "'x' | int"),
    more("from_field_unknown", 'class T(Entity):\n    source_event = Joined\n    primary_key = "user_id"\n    n: int = StateField(from_field="agee", type_=int)', "agee | age"),
    more("key_missing", "class T(Entity):\n    source_event = Joined", "primary_key", "class T"),
    more("source_no_event", 'class T(Entity):\n    source_event = int\n    primary_key = "a"', "source_event | int", "source_event = int"),
    more("syntax", "def (:", "SyntaxError | mend the file"),
    more("name_error", "print(nothing_here)", "NameError | nothing_here"),
    more("import_error", "import not_there_at_all", "not_there_at_all"),
    more("exit", "raise SystemExit(3)", "exit(3)", ""),
    more("output_no_sink", "Simulation('1s').add_output(object())", "send_event | write_batch", None, 2),
    # filters
    Case("where_field", "Select(User)", 'Select(User, where=[("vists", "is", 1)])', "vists | visits"),
    Case("where_operator", "Select(User)", 'Select(User, where=[("visits", "eq", 1)])', "eq"),
    Case("where_value", "Select(User)", 'Select(User, where=[("visits", "is", "many")])', "visits | 'many' | int"),
    Case("where_shape", "Select(User)", 'Select(User, where=[("visits", "is")])', "visits"),
    Case("where_now", "Select(User)", 'Select(User, where=[("seen", "is", Now())])', "Now()"),
    Case("select_event", "Select(User)", "Select(Visited)", "Visited | Entity"),
    Case("filter_text", "filter=Select(User)", 'filter="User"', "'User' | Select"),
    Case("weight_text", "filter=Select(User)", 'initiation_weight="much"', "'much'"),
    Case("weight_negative", "filter=Select(User)", "initiation_weight=-1", "-1"),
    Case("no_parentheses", "@sim.flow(filter=Select(User))", "@sim.flow", "parentheses | visit", 2),
    Case("pick_weight", "Select(User)", 'Select(User, weight="mood")', "mood"),
    # flows
    then("state_field", 'yield SetState(User, [("vists", "add", 1)])', "vists | visits"),
    then("state_operator", 'yield SetState(User, [("visits", "plus", 1)])', "plus | add"),
    then("state_value", 'yield SetState(User, [("visits", "add", "x")])', "visits | 'x'"),
    then("state_none", 'yield SetState(User, [("seen", "add", timedelta(1))])', "seen | None"),
    then("keyword", "yield NewEvent(ctx, Visited, pryce=2.0)", "pryce | price"),
    then("keyword_sys", 'yield NewEvent(ctx, Visited, sys__sid="x")', "sys__sid"),
    then("event_type", "yield NewEvent(ctx, User)", "User | BaseEvent"),
    then("save_entity", "yield NewEvent(ctx, Visited, save_entity=Visited)", "Visited | Entity"),
    then("yield_text", 'yield "hello"', "'hello' | NewEvent"),
    then("yield_nothing", "yield", "nothing is yielded | NewEvent"),
    then("rate", "yield AddDecay(ctx, rate=1.5, seconds=1)", "rate | 1.5"),
    then("wait_negative", "yield AddDecay(ctx, rate=0.1, seconds=-1)", "seconds | -1"),
    then("wait_unit", "yield AddDecay(ctx, rate=0.1, lightyears=1)", "lightyears"),
    then("distribution", "yield AddDecay(ctx, rate=0.1, seconds=Exponential(-3))", "Exponential | -3"),
    then("exception", "x = 1 / (ctx.get_entity(User).visits - 1)", "ZeroDivisionError"),
    then("raises", "raise ValueError('out of paint')", "ValueError | out of paint"),
    then("attribute", "x = ctx.get_entity(User).vists", "vists | visits"),
    then("unknown_name", "yield NewEvent(ctx, Visitd)", "Visitd"),
    then("value_type", "yield NewEvent(ctx, Visited, price='dear')", "price | 'dear'"),
    then("numpy", "import numpy; x = numpy.random.random()", "numpy.random | random"),
    then("endless", "while True: yield AddDecay(ctx, rate=0.0, seconds=1)", "end"),
    Case("no_generator", 'yield NewEvent(ctx, Visited, mutate=SetState(User, [("visits", "add", 1)]))', "return 3", "visit | yield", 1, "def visit"),
    Case("no_flow", "@sim.flow(filter=Select(User))", "", "no flows | @sim.flow()", 2, "sim = Simulation"),
    Case("two_of_one_name", "# THEN", "pass\n@sim.flow(flow_name='visit')\ndef other(ctx):\n    yield NewEvent(ctx, Visited, user_id='x')", "visit", 1, "flow_name"),
    Case("mutate", "mutate=SetState", "mutate=1 or SetState", "mutate | 1"),
]  # fmt: skip


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The command in this process: exit code, standard output, standard error."""
    command = typer.main.get_command(cli.app)
    code = cli._guarded(lambda: command.main(list(arguments), standalone_mode=False))
    said = capsys.readouterr()
    return code, said.out, said.err


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith((".py", "__pycache__")))


@pytest.mark.filterwarnings("ignore::deep_faker.errors.DeepFakerWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_files(case, tmp_path, capsys, monkeypatch):
    """One message: a title, the user's line, a mend; nothing is written; exit code 1, or 2 for settings."""
    monkeypatch.chdir(tmp_path)
    assert case.old in SHOP
    text = SHOP.replace(case.old, case.new, 1)
    Path("shop.py").write_text(text)
    code, out, err = run("run", "shop.py", "--output", "out", "--quiet", capsys=capsys)
    assert out == ""
    assert written(tmp_path) == []
    assert "Traceback" not in err
    assert err.count("error: ") == 1
    for word in case.words.split(" | "):
        assert word in err
    wanted = case.new.splitlines()[-1] if case.at_line is None else case.at_line
    if wanted:
        lines = [n for n, line in enumerate(text.splitlines(), 1) if wanted.strip() in line]
        named = [int(n) for n in re.findall(r"(?:shop\.py:|line )(\d+)", err)]
        assert set(lines) & set(named), (lines, named)
    assert code == case.code


# ---------------------------------------------------------------- the command


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with a file that is right, as the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text(SHOP)
    Path("empty.py").write_text("x = 1\n")
    Path("two.py").write_text(SHOP.replace("sim", "one") + "\ntwo = Simulation('1s')\n")
    return tmp_path


COMMANDS = [
    ("run nowhere.py --output out", 2, "nowhere.py | no such file"),
    ("run . --output out", 2, "not a file"),
    ("run empty.py --output out", 2, "empty.py | no Simulation | sim = Simulation(...)"),
    ("run two.py --output out", 2, "one, two | two.py:one"),
    ("run shop.py:sym --output out", 2, "'sym' | sim"),
    ("run shop.py", 2, "shop.py | --output DIR"),
    ("run shop.py --output out --format csvx", 2, "wrong format | 'csvx' | csv"),
    ("run shop.py --output out --format csv --compression lz4", 2, "'lz4' | gzip, zstd"),
    ("run shop.py --output out --file-size big", 2, "file_size='big' | 128MB"),
    ("run shop.py --output out --file-size 1MB --rows-per-file 10", 2, "give one of them"),
    ("run shop.py --output out --format jsonl --partition-by date", 2, "partition_by | format='jsonl'"),
    ("run shop.py --format csv", 2, "--output DIR"),
    ("run shop.py --output e.jsonl.gz --format csv", 2, "--format csv | --output e.jsonl.gz | folder"),
    ("run shop.py --output e.jsonl --partition-by date,hour", 2, "--partition-by date,hour | folder"),
    ("run shop.py --output e.jsonl --compression lz4", 2, "'lz4' | gzip"),
    ("run shop.py --output out --engine fast", 2, "'fast' | vectorized"),
    ("run shop.py --output out --duration soon", 2, "duration | 'soon' | 1h30m"),
    ("run shop.py --output out --time-step 0", 2, "time_step | '0'"),
    ("run shop.py --output out --start-time never", 2, "start_time | 'never'"),
    ("run shop.py --output out --n-flows 0", 2, "n_flows | 0"),
    ("run shop.py --output out --n-flows many", 2, "--n-flows | integer"),
    ("run shop.py --output out --seed x", 2, "--seed | integer"),
    ("run shop.py --output out --partitions 0", 2, "partitions | 0"),
    ("run shop.py --output out --workers 0", 2, "workers | 0"),
    ("run shop.py --ouput out", 2, "--ouput | --output"),
    ("run", 2, "FILE"),
    ("walk shop.py", 2, "walk"),
    ("preview shop.py -n 0", 2, "'-n' | 1"),
    ("explain nowhere.py", 2, "nowhere.py"),
    ("verify nowhere", 1, "nowhere"),
    ("run shop.py --output /proc/nowhere/out", 1, "/proc/nowhere"),
    ("run shop.py --output shop.py", 1, "shop.py"),
    ("run shop.py --output shop.py/out", 1, "shop.py/out"),
]


@pytest.mark.parametrize(("line", "wanted", "words"), COMMANDS, ids=[c[0] for c in COMMANDS])
def test_p5_wrong_commands(line, wanted, words, shop, capsys):
    """Exit code 2 for wrong usage, 1 for a run that failed; data on standard output only, and there is none."""
    before = sorted(shop.iterdir())
    code, out, err = run(*line.split(), capsys=capsys)
    assert code == wanted
    assert out == ""
    assert "Traceback" not in err
    assert "site-packages" not in err
    for word in words.split(" | "):
        assert word in err
    assert sorted(p for p in shop.iterdir() if p.name != "__pycache__") == before


def test_p5_a_name_of_json_lines_means_one_file(shop, capsys):
    """Packed as the name or the option says; the same lines as standard output would carry."""
    for name, options in (("e.jsonl", ()), ("e.jsonl.gz", ()), ("e.ndjson", ("--compression", "gzip"))):
        given = ("run", "shop.py", "--output", name, "--format", "jsonl", "--quiet", *options)
        assert run(*given, capsys=capsys) == (0, "", "")
        assert Path(name).is_file()
    plain = Path("e.jsonl").read_bytes()
    assert plain.startswith(b'{"sys__eid":')
    assert gzip.decompress(Path("e.jsonl.gz").read_bytes()) == plain
    assert gzip.decompress(Path("e.ndjson").read_bytes()) == plain


def test_p5_existing_output_is_kept(shop, capsys):
    """A second run raises and touches nothing; with --overwrite it replaces."""
    assert run("run", "shop.py", "--output", "out", "--quiet", capsys=capsys) == (0, "", "")
    before = {p: p.read_bytes() for p in Path("out").rglob("*") if p.is_file()}
    code, out, err = run("run", "shop.py", "--output", "out", "--seed", "2", "--quiet", capsys=capsys)
    assert (code, out) == (1, "")
    for word in ("out", "overwrite"):
        assert word in err
    assert {p: p.read_bytes() for p in Path("out").rglob("*") if p.is_file()} == before
    again = run("run", "shop.py", "--output", "out", "--seed", "2", "--quiet", "--overwrite", capsys=capsys)
    assert again == (0, "", "")
    assert {p: p.read_bytes() for p in Path("out").rglob("*") if p.is_file()} != before
    assert run("verify", "out", capsys=capsys)[0] == 0


def test_p5_a_file_that_changed_is_named(shop, capsys):
    """`verify` names the file that is not what was written, and ends with 1."""
    run("run", "shop.py", "--output", "out", "--quiet", capsys=capsys)
    path = Path("out/events/Visited/part-00000.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    code, _, err = run("verify", "out", capsys=capsys)
    assert code == 1
    assert "events/Visited/part-00000.parquet" in err


def test_p5_an_interrupt_ends_with_130(shop, capsys, monkeypatch):
    """Ctrl-C leaves nothing that reads as whole."""
    text = SHOP.replace("# THEN", "if ctx.get_entity(User).visits > 0: raise KeyboardInterrupt")
    Path("shop.py").write_text(text)
    code, out, err = run(
        "run", "shop.py", "--output", "out", "--quiet", "--engine", "reference", capsys=capsys
    )
    assert (code, out) == (130, "")
    assert "interrupted" in err
    assert not Path("out").exists()


@pytest.mark.slow
def test_r3_a_full_disk_is_said(shop):
    """The system refuses to write on in the middle of a file: exit code 1, one message, nothing half-written."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    done = subprocess.run(
        [sys.executable, "-m", "deep_faker.cli", "run", "shop.py", "--output", "out", "--duration", "10m"],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(Path(cli.__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert written(shop) == []
