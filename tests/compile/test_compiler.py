"""The language of flows (F2): what compiles to columns, what goes row by row and why; all engines agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.worlds.flow_world import agreed, flow_of, reasons

NOTE = "yield NewEvent(ctx, Note, value={})\n"

STATEMENTS = {
    "if_elif_else": """
        if user.age < 30:
            word = "young"
        elif user.age < 60:
            word = "grown"
        else:
            word = "old"
        yield NewEvent(ctx, Note, value=word)
    """,
    "while": """
        n = 0
        while n < 5:
            n += 1
            yield NewEvent(ctx, Note, value=n)
    """,
    "while_else_break": """
        n = user.age
        while n > 10:
            n -= 17
            if n % 5 == 0:
                break
        else:
            yield NewEvent(ctx, Note, value="no break")
            n = -n
        yield NewEvent(ctx, Note, value=n)
    """,
    "while_with_time": """
        while True:
            yield NewEvent(ctx, Note, value=datetime.now().isoformat())
            yield AddDecay(ctx, rate=0.2, seconds=2)
            if user.age % 2 and random.random() < 0.3:
                break
    """,
    "for_range": """
        total = 0
        for i in range(user.age % 4):
            yield NewEvent(ctx, Note, value=i)
        for i in range(10, 0, -3):
            total += i
        for i in range(2, user.age, 7):
            total += i
        yield NewEvent(ctx, Note, value=total + i)
    """,
    "for_literals": """
        for word in ("a", "b", "c"):
            yield NewEvent(ctx, Note, value=word + user.country)
        for n in [1, 2.5, 3]:
            yield NewEvent(ctx, Note, value=n * 2)
    """,
    "for_nested_break_continue_else": """
        for i in range(3):
            for letter in "xy":
                if i == 1 and letter == "x":
                    continue
                if i == 2:
                    break
                yield NewEvent(ctx, Note, value=f"{i}{letter}")
        else:
            yield NewEvent(ctx, Note, value="done")
    """,
    "for_else": """
        for n in (1, 2, 3):
            if n * 10 > user.age:
                break
        else:
            yield NewEvent(ctx, Note, value="all")
        yield NewEvent(ctx, Note, value=n)
    """,
    "for_unpacked": """
        for name, price in [("tea", 2.5), ("cake", 4.0)]:
            yield NewEvent(ctx, Note, value=f"{name} {price * user.age}")
        for (a, b), c in [((1, 2), "x"), ((3, 4), "y")]:
            yield NewEvent(ctx, Note, value=f"{a}{b}{c}")
        for i, word in enumerate(["a", "b"], start=1):
            yield NewEvent(ctx, Note, value=f"{i}:{word}:{user.name}")
        for a, b in zip("ab", (1, 2)):
            yield NewEvent(ctx, Note, value=a * b)
        for key, n in {"a": 1, "b": 2}.items():
            yield NewEvent(ctx, Note, value=f"{key}{n}")
    """,
    "for_sorted_reversed": """
        for n in sorted([3, 1, 2]):
            yield NewEvent(ctx, Note, value=n)
        for n in reversed([3, 1, 2]):
            yield NewEvent(ctx, Note, value=n)
    """,
    "return_in_loop": """
        for n in range(3):
            yield NewEvent(ctx, Note, value=n)
            if user.age > 40:
                return
        yield NewEvent(ctx, Note, value="end")
    """,
    "augmented": """
        n = user.age
        n += 2; n -= 1; n *= 3; n //= 2; n %= 37; n **= 2; n <<= 1; n >>= 2; n |= 8; n &= 63; n ^= 5
        x = 7.5
        x /= n + 1
        s = "a"
        s += user.name
        s *= 2
        yield NewEvent(ctx, Note, value=f"{n} {x} {s}")
    """,
    "walrus": """
        if (n := random.randint(1, 6)) > 3:
            yield NewEvent(ctx, Note, value=n)
        while (m := random.random()) < 0.5:
            yield NewEvent(ctx, Note, value=m)
        yield NewEvent(ctx, Note, value=(k := n + 1) * k)
    """,
    "unpacking": """
        a, b = user.age, user.country
        a, b = b, a
        (c, d), e = (1, 2), 3
        first = second = user.age + 1
        head, *rest = [1, 2, 3]
        yield NewEvent(ctx, Note, value=f"{a}{b}{c}{d}{e}{first}{second}{head + len(rest)}")
    """,
    "one_name_for_many_things": """
        x = user.age
        yield NewEvent(ctx, Note, value=x)
        x = user.name
        yield NewEvent(ctx, Note, value=x)
        x = x.upper() if user.age > 40 else None
        yield NewEvent(ctx, Note, value=x)
    """,
    "set_on_the_paths_that_read_it": """
        if user.age > 40:
            x = user.age * 2
        if user.age > 40:
            yield NewEvent(ctx, Note, value=x)
            del x
    """,
    "match": """
        match user.country:
            case "de" | "fr":
                yield NewEvent(ctx, Note, value="near")
            case other if user.age > 40:
                yield NewEvent(ctx, Note, value=other)
            case _:
                yield NewEvent(ctx, Note, value="far")
        match user.seen:
            case None: yield NewEvent(ctx, Note, value="never")
        match (user.country, user.age > 40):
            case ("de", True): yield NewEvent(ctx, Note, value="old german")
            case (c, _): yield NewEvent(ctx, Note, value=c)
    """,
    "assert_and_raise": """
        assert user.age > 0, "no"
        if user.age > 200:
            raise ValueError(f"too old: {user.age}")
        yield NewEvent(ctx, Note, value=1)
    """,
    "imports_inside": """
        import math as m
        from random import random as r
        yield NewEvent(ctx, Note, value=m.floor(user.age / 7) + r())
    """,
    "lists_that_grow": """
        items = []
        for i in range(user.age % 5):
            items.append(i * user.age)
            yield NewEvent(ctx, Note, value=items)
        items.extend([1, 2])
        yield NewEvent(ctx, Note, value=f"{items} {len(items)} {items[-1]}")
        if not items:
            yield NewEvent(ctx, Note, value="none")
    """,
    "lambdas_and_inner_functions": """
        f = lambda x: x * 2
        def double(x, by=2):
            return x * by
        def outer(x):
            return double(x) + user.age
        yield NewEvent(ctx, Note, value=f(user.age))
        yield NewEvent(ctx, Note, value=(lambda a, b=2: a + b)(user.age))
        yield NewEvent(ctx, Note, value=double(user.age, by=3) + outer(1))
    """,
    "draws_in_branches": """
        if user.age > 30 and random.random() < 0.5 or not user.country == "de":
            yield NewEvent(ctx, Note, value="yes")
        z = random.random() if user.age > 40 else None
        yield NewEvent(ctx, Note, value=z)
        yield NewEvent(ctx, Note, value=20 < user.age < random.randint(20, 80) != 50)
    """,
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_f2_statements_compile(name: str, tmp_path: Path) -> None:
    """Branches, loops and assignments are states and columns, and every engine makes the same events."""
    plan, told = agreed(flow_of(STATEMENTS[name], tmp_path))
    assert reasons(plan.flows[0]) == []
    assert told.notes()


BY_COLUMN = """
user.age > 30 and user.country == "de"
user.age > 30 or user.country
user.visits or "none"
not user.age > 30
20 < user.age <= 50
"a" if user.age > 40 else "b" if user.age > 30 else "c"
1.5 if user.age > 40 else 2
f"{user.name}"
f"{user.age / 7:.2f} {user.age:05d} {user.age / 7:>10.3f} {user.age:,} {user.age:x} {user.name!r} {user.age=}"
f"{user.age / 7:.{user.age % 4}f} {{}} {datetime.now():%Y-%m-%d %H:%M}"
"%s is %d" % (user.name, user.age)
"{} is {}".format(user.name, user.age)
user.name[:3] + user.name[-2:] + user.name[::-1] + user.name[0]
user.name[:user.age % 4]
"abcdef"[user.age % 6]
user.name.upper() + user.name.lower() + user.name.title() + (" " + user.name + " ").strip()
user.name.replace("a", "o").zfill(12).center(20, "*")
user.name.startswith("A") or user.name.endswith(("a", "e"))
user.name.find("a") + user.name.count("a") + len(user.name)
"-".join(["a", user.name])
"-".join(str(n) for n in (1, 2))
user.country in ("de", "fr")
user.country not in ["de"]
user.age in {20, 30, 40}
"a" in user.name
user.age in range(20, 40)
user.country in RATES
{"de": 0.19, "fr": 0.2, "it": 0.22}[user.country]
RATES.get(user.country, 0.0) * user.age
WORDS[user.age % 3]
[1, 2, 3][user.age % 3] + 1
{"a": {"b": 2}}["a"]["b"] + user.age
(user.age, user.country)[0]
min(user.age, 30) + max(user.age / 7, 5, user.age) + abs(30 - user.age)
round(user.age / 7) + round(user.age / 7, 2) + round(user.age, -1)
int(user.age / 7) + float(user.age) + int(str(user.age)) + float("2.5")
str(user.age) + str(user.age / 7) + repr(user.name) + format(user.age, ".1f")
bool(user.visits)
pow(user.age, 2) + ord("a") + divmod(user.age, 7)[1]
chr(65 + user.age % 26)
sum([1, 2, user.age]) + min([3, user.age, 30]) + max((3, user.age)) + len([1, user.age])
any([user.age > 50, user.country == "de"])
all((user.age > 50, user.country == "de"))
sorted([3, 1, 2])[1] + user.age
user.age // 7 * 2 - user.age % 7 - -user.age ** 2 + (~user.age & 7 | 1 ^ 3) + 2 ** (user.age % 5)
(user.age / 3) ** 0.5 + user.age / 3 // 0.7 + user.age / 3 % 0.7
sum(n * user.age for n in (1, 2, 3))
sum([random.randint(1, 6) for _ in range(3)])
max(random.random() for _ in range(3))
any(user.age > n for n in (20, 40))
all(user.age > n for n in LIMITS)
"".join(random.choice("abc") for _ in range(4))
[n * 2 for n in (1, 2, 3)]
{n: n * 2 for n in (1, 2)}[1]
math.exp(user.age / 30) + math.log(user.age) + math.sqrt(user.age) + math.sin(user.age) + math.tanh(user.age)
math.floor(user.age / 7) + math.ceil(user.age / 7) + math.trunc(user.age / 7) + math.gcd(user.age, 12)
math.pow(user.age, 2) + math.hypot(user.age, 3) + math.atan2(user.age, 1) + math.fmod(user.age, 7) + math.pi
math.isqrt(user.age) + math.comb(user.age, 2) + math.factorial(user.age % 10) + math.log(user.age, 2)
math.isclose(user.age, 40) or math.isnan(user.age / 7)
datetime.now()
datetime.utcnow().isoformat()
datetime.now().hour * 100 + datetime.now().weekday()
date.today()
time.time()
int(time.time()) + time.time_ns()
datetime.now() + timedelta(days=user.age)
(datetime.now() - datetime(2024, 1, 1)).total_seconds()
datetime.now().strftime("%Y-%m")
datetime.now().replace(minute=0, second=0, microsecond=0)
datetime(2024, 1, 1 + user.age % 28, 12)
datetime.now() > datetime(2024, 5, 17, 9, 30, 10)
timedelta(hours=1) * user.age / 2
datetime.strptime("2024-01-02", "%Y-%m-%d").year + user.age
ctx.flow_clock
ctx.session_id + ctx.flow_name
hash(user.name) % 100
str(uuid.uuid4())[:8]
shortuuid.uuid()[:6] + shortuuid.ShortUUID().random(length=6)
getattr(user, "age")
(user.age, user.name)
"""


@pytest.mark.parametrize("expression", BY_COLUMN.strip().splitlines())
def test_f2_expressions_compile(expression: str, tmp_path: Path) -> None:
    """Expressions are done by column, with Python's values."""
    before = 'RATES = {"de": 0.19, "fr": 0.2}\nWORDS = ["a", "b", "c"]\nLIMITS = [1, 30]'
    plan, told = agreed(flow_of(NOTE.format(expression), tmp_path, before))
    assert reasons(plan.flows[0]) == []
    assert len(told.notes()) == len(told.sessions)


DRAWS = """
random.random()
random.uniform(1, user.age)
random.randint(1, user.age)
random.randrange(0, 100, 7)
random.randrange(user.age)
random.choice(["a", "b", "c"])
random.choice([1, 2.5, None])
random.choice("abc")
random.choice(user.name)
random.choice(range(10))
random.choices(["a", "b"], weights=[1, 3])[0]
random.choices(population=[1, 2], weights=(3, 1), k=1)[0]
random.choices([1, 2], cum_weights=[1, 4])[0]
random.choices([1, 2, 3], k=3)
random.gauss(0, user.age)
random.gauss(sigma=1.0, mu=2)
random.normalvariate(5, 2)
random.expovariate(1 / 30)
random.betavariate(2, 3)
random.gammavariate(2, 3)
random.lognormvariate(0, 1)
random.triangular(1, 9, 3)
random.triangular(low=1, high=9, mode=3)
random.paretovariate(3)
random.weibullvariate(1, 2)
random.vonmisesvariate(0, 4)
random.getrandbits(16)
random.getrandbits(80)
random.sample([1, 2, 3, 4], 2)
random.sample(range(100), k=3)[0]
str(uuid.uuid4())
shortuuid.uuid()
"""


@pytest.mark.parametrize("expression", DRAWS.strip().splitlines())
def test_f3_draws_compile(expression: str, tmp_path: Path) -> None:
    """Every function of random draws in the table, and the same numbers in every engine."""
    plan, told = agreed(flow_of(NOTE.format(expression), tmp_path))
    assert reasons(plan.flows[0]) == []
    assert len(set(map(str, told.notes()))) > 1


def test_f3_draws_under_other_names(tmp_path: Path) -> None:
    """``from random import …`` draws from the seed as well, in helpers too."""
    before = """
from random import random as chance, choice as pick
def helper():
    return chance() + pick([1, 2])
"""
    plan, told = agreed(flow_of(NOTE.format("chance() + helper()"), tmp_path, before))
    assert reasons(plan.flows[0]) == []
    assert len(set(told.notes())) > 10


BY_ROW = {
    "for letter in user.name[:3]:\n    yield NewEvent(ctx, Note, value=letter)": "calls list()",
    NOTE.format('user.name.split("a")[0]'): "str.split()",
    NOTE.format("sorted([user.age, 30])[0]"): "makes a collection",
    NOTE.format("random.choice([user.age, 5])"): "makes a collection",
    NOTE.format("[n for n in range(user.age) if n % 7 == 0]"): "a list comprehension",
    NOTE.format("sum(n for n in range(user.age))"): "a generator expression",
    NOTE.format("max([3, user.age], key=lambda n: -n)"): "makes a collection",
    NOTE.format("uuid.uuid4().hex"): "reads .hex",
    NOTE.format("uuid.uuid5(uuid.NAMESPACE_DNS, user.name)"): "calls uuid5()",
    NOTE.format('{"a": user.age}'): "makes a dict",
    NOTE.format("fact(user.age % 5)"): "fact(): fact() calls itself, line",
    NOTE.format("safe(user.age)"): "safe(): try, line",
    NOTE.format("build(user.age)"): "build(): changes items in place, line",
    NOTE.format("named(a=user.age, b=2)"): "named(): named() takes * or **, line",
}
HELPERS = """
def fact(n):
    return 1 if n <= 1 else n * fact(n - 1)
def safe(n):
    try:
        return 1 / (n % 2)
    except ZeroDivisionError:
        return 0.0
def build(n):
    items = []
    for i in range(3):
        items.insert(0, i * n)
    return items
def named(**given):
    return given["a"] + given["b"]
"""


@pytest.mark.parametrize("body", BY_ROW)
def test_f2_what_columns_cannot_do_goes_row_by_row(body: str, tmp_path: Path) -> None:
    """The flow is compiled all the same; the one expression says why it is done row by row."""
    plan, told = agreed(flow_of(body, tmp_path, HELPERS))
    assert plan.flows[0].live is None
    assert any(reason.startswith(BY_ROW[body]) for reason in reasons(plan.flows[0]))
    assert told.notes()


LIVE = {
    "try:\n    x = 1 / (user.age % 2)\nexcept ZeroDivisionError:\n    x = 0.0\n" + NOTE.format("x"): "try",
    "with suppress(ValueError):\n    " + NOTE.format("1"): "with",
    "items = [3, 1, 2]\nrandom.shuffle(items)\n" + NOTE.format("items"): (
        "random.shuffle changes a list in place"
    ),
    "items = []\nother = items\nitems.append(1)\n" + NOTE.format("other"): "changes items in place",
    NOTE.format("random.Random(user.age).random()"): "calls random.Random, which the compiler does not know",
    NOTE.format("len(ctx.selected_entities)"): "ctx.selected_entities is used as a value",
    NOTE.format("len(ctx.global_context.get_entities(User))"): "looks at the list of get_entities()",
    NOTE.format("counted(user.age, word=user.name)"): "counted() takes * or **",
}


@pytest.mark.parametrize("body", LIVE)
def test_f2_what_has_effects_runs_as_the_generator_that_it_is(body: str, tmp_path: Path) -> None:
    """Legal Python outside the language makes a live flow, with the line and the reason."""
    before = "from contextlib import suppress\ndef counted(*given, **named):\n    return random.random() + sum(given)"
    plan, told = agreed(flow_of(body, tmp_path, before))
    table = plan.flows[0]
    assert table.live == LIVE[body]
    assert table.live_span is not None
    assert table.live_span.line >= 54
    assert told.notes()
