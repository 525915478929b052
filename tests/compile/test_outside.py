"""F3, R1, R6: a flow changes only what is its own, sees no order of a set, asks nothing of the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deep_faker.errors import CompileError
from tests.support.engine_agreement import load_text
from tests.support.worlds.python_world import noting, plan_of, program, told

MODULE = """
SEEN = {}
ITEMS = []
NESTED = {"a": [1], "b": [2]}
ROWS = [[1], [2]]
LISTS = defaultdict(list)
COLORS = {"a", "b"}
FROZEN = frozenset(("a", "b"))
SETS = {"k": {"a", "b"}}
NUMBERS = itertools.count()

class Config:
    count = 0
    items = []

class Counter:
    def __init__(self):
        self.total = 0
    def add(self, k):
        self.total += k
    @classmethod
    def up(cls):
        cls.n = 1

COUNTER = Counter()

def sets_item():
    SEEN["n"] = 1
def appends(x):
    ITEMS.append(x)
def by_default(x, seen=[]):
    seen.append(x)
def to_parameter(items):
    items.append(1)
def reads(items):
    return len(items)
def lists(given):
    return [x for x in given]
def gives():
    return {"a", "b"}
def factory():
    k = 0
    def inc():
        nonlocal k
        k += 1
        return k
    return inc
INC = factory()

@functools.lru_cache
def cached(x):
    return x * 2

def local():
    out = []
    for x in (1, 2):
        out.append(x)
    found = {}
    found["a"] = out
    return found
"""
CHANGES = [
    "SEEN['n'] = 1", "SEEN['n'] += 1", "del SEEN['n']", "SEEN['a'], b = 1, 2", "ITEMS.append(1)", "ITEMS.sort()",
    "COUNTER.total = 1", "COUNTER.total += 1", "Config.count += 1", "Config.items.append(1)",
    "sets_item()", "appends(1)", "by_default(1)", "to_parameter(ITEMS)", "to_parameter(items=ITEMS)",
    "s = SEEN\ns['n'] = 1", "s = ITEMS\ns += [1]", "s = ITEMS\nto_parameter(s)", "for r in ROWS:\n    r.append(1)",
    "NESTED['a'].append(1)", "x = NESTED['a']\nx.append(1)", "NESTED.get('a').append(1)", "LISTS['x'].append(1)",
    "SEEN.setdefault('x', []).append(1)", "n = next(NUMBERS)", "for i in NUMBERS:\n    break",
    "COUNTER.add(1)", "Counter.up()", "random.shuffle(ITEMS)", "heapq.heappush(ITEMS, 1)",
    "bisect.insort(ITEMS, 1)", "setattr(COUNTER, 'total', 2)", "list.append(ITEMS, 1)", "globals()['x'] = 1",
    "n = INC()", "def g():\n    global SEEN\n    SEEN = 1\ng()", "def g():\n    ITEMS.append(1)\ng()",
    "g = lambda: ITEMS.append(1)\ng()", "x = ITEMS if n else []\nx.append(2)",
    "if n:\n    x = ITEMS\nelse:\n    x = []\nx.append(2)", "with open('/dev/null') as f:\n    ITEMS.append(f)",
    "try:\n    ITEMS.append(1)\nfinally:\n    pass",
]  # fmt: skip


@pytest.mark.parametrize("body", CHANGES)
def test_f3_what_is_not_the_flows_own_is_not_changed(body, tmp_path):
    """Globals, closures, defaults, objects and their parts, also through another name or a helper: refused."""
    with pytest.raises(CompileError) as caught:
        plan_of(f"{body}\n{noting('1')}", tmp_path, MODULE)
    assert caught.value.diagnostic.title.startswith("a flow cannot")
    assert caught.value.diagnostic.span is not None
    assert "SetState" in str(caught.value)


OWN = [
    "x = local()", "x = list(ITEMS)\nx.append(1)", "x = SEEN.copy()\nx['a'] = 1", "x = reads(ITEMS)",
    "x = cached(n)", "x = ITEMS\nx = [1]\nx.append(2)", "x = Config.count\nx += 1",
    "x = NESTED['a'][0]\nx += 1", "x = ROWS[:]\nx.append(1)", "o = Counter()\no.add(2)\nx = o.total",
    "g = factory()\nx = (g(), g())", "it = iter([1, 2])\nx = next(it)", "x = []\nto_parameter(x)",
    "x = [*ITEMS]\nx += [n]", "x = sorted(ITEMS)\nx.sort()",
]  # fmt: skip


@pytest.mark.parametrize("body", OWN)
def test_f3_copies_and_objects_of_its_own_may_be_changed(body, tmp_path):
    """And globals may be read."""
    assert len(told(f"{body}\n{noting('x')}", tmp_path, MODULE)) > 4


IN_ORDER = [
    "list({'a', 'b'})", "random.choice(list({'a', 'b'}))", "tuple(set(['a', 'b']))", "','.join({'a', 'b'})",
    "max({'aa', 'bb'}, key=len)", "sorted({'aa', 'bb'}, key=len)", "COLORS", "f'{COLORS}'", "'%s' % COLORS",
    "{c: 1 for c in COLORS}", "[c for c in COLORS]", "[c for c in FROZEN]", "lists({'a', 'b'})", "lists(COLORS)",
    "list(gives())", "list({c for c in 'ab'})", "list(COLORS | {'c'})", "list(COLORS.union('c'))",
    "list(SETS['k'])", "[*COLORS]", "list(enumerate(COLORS))", "list(zip(COLORS, COLORS))", "dict.fromkeys(COLORS)",
    "next(iter(COLORS))", "list(SEEN.keys() | {'a', 'b'})", "list(COLORS if n else [])", "list(s := {'a', 'b'})",
    "list(x for x in COLORS)", "set(['a']).pop()", "sum((list(c) for c in [COLORS]), [])",
]  # fmt: skip
STATEMENTS = [
    "for c in {'a', 'b'}:\n    " + noting("c"),
    "for s in (COLORS, {'c'}):\n    " + noting("list(s)"),
    "s = {'a', 'b'}\n" + noting("list(s)"),
    "s = set(['a', 'b'])\n" + noting("s.pop()"),
    "p, q = {'a', 'b'}\n" + noting("p"),
    "l = []\nl += COLORS\n" + noting("l"),
    "l = []\nl.extend(COLORS)\n" + noting("l"),
    "if n:\n    s = {'a', 'b'}\nelse:\n    s = []\n" + noting("list(s)"),
]


@pytest.mark.parametrize("body", [*map(noting, IN_ORDER), *STATEMENTS])
def test_r1_nothing_goes_through_a_set_in_its_order(body, tmp_path):
    """That of texts is another one in each process: refused, with sorted() as the mend."""
    with pytest.raises(CompileError, match="the order of a set") as caught:
        plan_of(body, tmp_path, MODULE)
    assert "write sorted(" in str(caught.value)


WITHOUT_ORDER = [
    "'a' in COLORS", "len({'a', str(n)})", "sorted(COLORS)", "sorted(c + 'x' for c in COLORS)",
    "any(c == 'a' for c in COLORS)", "sum(len(c) for c in COLORS)", "(min(COLORS), max(COLORS))",
    "sorted(COLORS & {'a'} | set())", "len({c for c in COLORS})", "reads(COLORS)", "sorted(list(COLORS))",
    "sorted([c for c in COLORS])", "{'a'}.issubset(COLORS)", "COLORS == {'a', 'b'}",
    "sorted({'a', 'b'} - {'a'})", "bool(COLORS)", "hash(FROZEN)",
]  # fmt: skip


@pytest.mark.parametrize("expression", WITHOUT_ORDER)
def test_r1_what_does_not_depend_on_a_sets_order_is_allowed(expression, tmp_path):
    """Membership, sizes, sorted results."""
    assert len(told(noting(expression), tmp_path, MODULE)) > 4


FOREIGN = [
    "os.getpid()", "id(user)", "os.environ['HOME']", "os.environ.get('HOME')", "os.getenv('HOME')",
    "threading.get_ident()", "socket.gethostname()", "platform.node()", "input()", "os.cpu_count()",
    "os.getcwd()", "threading.current_thread().name",
]  # fmt: skip


@pytest.mark.parametrize("expression", FOREIGN)
@pytest.mark.parametrize("where", ["flow", "helper"])
def test_r1_nothing_is_asked_of_the_process_or_the_machine(expression, where, tmp_path):
    """Refused as os.urandom is, in a flow and in what it calls."""
    helper = f"def asked(user):\n    return {expression}\n"
    body = noting(expression) if where == "flow" else noting("asked(user)")
    with pytest.raises(CompileError, match="an answer from outside the simulation"):
        plan_of(body, tmp_path, helper)


def test_r1_hash_of_an_address_is_refused_by_the_run(tmp_path):
    """An object without a hash of its own has that of its address; an Enum has its name's."""
    before = "import enum\nclass Thing:\n    pass\nclass Color(enum.Enum):\n    RED = 1\nTHING = Thing()"
    assert "address" in told(noting("hash(THING)"), tmp_path, before).diagnostic.label
    assert len(set(told(noting("hash(Color.RED)"), tmp_path, before))) == 1


DERIVED = """
class Derived(BaseEvent):
    a: str = "x"
    b: str = Field(derive=lambda e: {})
"""


@pytest.mark.parametrize(
    ("expression", "title"),
    [
        ("''.join({e.a, 'y'})", "the order of a set"),
        ("str(os.getpid())", "an answer from outside the simulation"),
        ("str(lists({e.a, 'y'}))", "the order of a set"),
        ("str(ITEMS.append(e.a))", "a flow cannot change what is not its own"),
    ],
)
def test_r1_derived_fields_keep_the_same_rules(expression, title, tmp_path):
    """The functions of ``derive=`` are looked at as flows are."""
    with pytest.raises(CompileError, match=title):
        load_text(
            program("yield NewEvent(ctx, Derived)", MODULE + DERIVED.format(expression)), tmp_path
        ).explain()


SOURCELESS = """
import os, random
from deep_faker import BaseEvent, NewEvent, Simulation
class E(BaseEvent):
    color: str
SEEN = {}
sim = Simulation("10s", start_time="2024-01-01", n_flows=2, random_seed=1)
@sim.flow()
def f(ctx):
    %s
    yield NewEvent(ctx, E, color="x")
print(sim.collect()["E"]["color"].to_list())
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("random.choice(list({'red', 'green'}))", "the order of a set"),
        ("SEEN['n'] = 1", "a flow cannot change what is not its own"),
        ("SEEN.update(a=1)", "a flow cannot change what is not its own"),
        ("os.getpid()", "os.getpid"),
        ("id(ctx)", "id cannot be used in a flow"),
    ],
)
def test_r1_functions_without_source_keep_the_same_rules(line, words):
    """What comes from standard input has no source to be read."""
    done = subprocess.run(
        [sys.executable, "-"], check=False, input=SOURCELESS % line, text=True, capture_output=True
    )
    assert done.returncode != 0
    assert words in done.stderr


ZONES = ("UTC", "Asia/Tokyo", "America/New_York")
LOCAL = """
import sys, time, datetime as dt
from datetime import date, datetime
from pydantic import field_validator
from deep_faker import AddDecay, BaseEvent, Field, NewEvent, Simulation

def helper(at):
    return at.timestamp()

class Ping(BaseEvent):
    at: datetime = Field(faker="now")
    born: datetime = Field(faker="date_time_this_year")
    unix: int = Field(faker="unix_time")
    day: date = Field(faker="date_of_birth")
    epoch: float = Field(derive=lambda e: e.at.timestamp())
    text: str = ""

    @field_validator("text")
    @classmethod
    def stamped(cls, value):
        return value + str(datetime.fromtimestamp(0))

sim = Simulation("5s", start_time="2024-01-01", n_flows={flows}, random_seed=1)

@sim.flow()
def go(ctx):
    {live}
    at = datetime.now()
    made = (
        at.timestamp() - time.time(), ctx.flow_clock.timestamp(), at.astimezone(dt.timezone.utc), helper(at),
        time.mktime(at.timetuple()), datetime.fromtimestamp(86400 * 3), date.today(), datetime.today(),
        time.strftime("%Y-%m-%d %H"), at.strftime("%s"), time.localtime().tm_hour, time.ctime(0),
        date.fromtimestamp(3600), datetime(2024, 7, 1).timestamp(), at.astimezone().isoformat(),
    )
    yield NewEvent(ctx, Ping, text=str(made))
    yield AddDecay(ctx, seconds=1)

events = sim.collect(engine=sys.argv[1])["Ping"]
print(events.rows()[:20], time.tzname)
"""


@pytest.mark.parametrize(
    ("engine", "flows", "live"),
    [
        ("numpy", 2, "pass"),  # it runs as a generator
        ("numpy", 200, "pass"),
        ("vectorized", 2, "import enum as z"),
        ("reference", 2, "pass"),
    ],
)
def test_t1_local_time_is_utc_whatever_the_machine_says(engine, flows, live, tmp_path):
    """Flows, helpers, derived fields, validators and Faker's own clocks; the process has its zone back after."""
    path = tmp_path / "zones.py"
    path.write_text(LOCAL.replace("{flows}", str(flows)).replace("{live}", live))
    out = {}
    for zone in ZONES:
        done = subprocess.run(
            [sys.executable, str(path), engine],
            check=False,
            text=True,
            capture_output=True,
            env={**os.environ, "TZ": zone},
        )
        assert done.returncode == 0, done.stderr
        out[zone], _, names = done.stdout.rpartition("] ")
        assert ("UTC" in names) == (zone == "UTC")
    assert len(set(out.values())) == 1, out


def test_r1_the_seed_of_hashes_shows_nowhere(tmp_path):
    """A flow that uses sets in the ways that are allowed gives the same bytes under every PYTHONHASHSEED."""
    path = tmp_path / "hashes.py"
    uses = noting("(" + ", ".join(e for e in WITHOUT_ORDER if e != "reads(COLORS)") + ")")
    path.write_text(program(uses, MODULE) + "\nprint(sim.collect()['Note']['text'].to_list())\n")
    out = {
        subprocess.run(
            [sys.executable, str(path)], text=True, capture_output=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }  # fmt: skip
    assert len(out) == 1
