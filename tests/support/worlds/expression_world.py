"""What expressions are tested with: locals of every kind, values at their edges, a grammar of expressions."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from deep_faker.plan import Type
from deep_faker.plan.storage import Handle
from deep_faker.spans import Span

SPAN = Span("shop.py", 7, 4, 20, "    x = 1")
BOOL, INT, FLOAT, CODE, STR = (Type(k) for k in ("bool", "int", "float", "code", "str"))
TIME, DAY, LENGTH, USER = Type("datetime"), Type("date"), Type("timedelta"), Type("entity", entity="User")
OBJECT, NONE = Type("object"), Type("none")


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, NaN and the sign of zero included."""
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (math.isnan(a) and math.isnan(b))
    if type(a) in (tuple, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def fits(value: Any) -> bool:
    """Whether 64 bits hold it."""
    if type(value) is timedelta:
        value = value // timedelta(microseconds=1)
    return type(value) is not int or -(2**63) <= value < 2**63


TEXTS = ["", "a", "b", "abc", "ABC", "12", " x ", "é", "ß", "日本", "a\0", "-3", "1.5", "nan", "{}", "%d"]
POOLS: dict[str, list[Any]] = {
    "bool": [True, False],
    "int": [
        0,
        1,
        -1,
        2,
        3,
        10,
        -5,
        2**31,
        2**53,
        2**53 + 1,
        -(2**53) - 1,
        2**61 - 1,
        2**62,
        2**63 - 1,
        -(2**63),
    ],
    "float": [0.0, -0.0, 1.0, -1.5, 0.5, 2.5, 2.675, 1.005, 1e16, 2.0**53, 2.0**63, 1e300, -1e308, 1e-320]
    + [math.nan, math.inf, -math.inf],
    "code": TEXTS,
    "str": TEXTS,
    "datetime": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), datetime(1970, 1, 1)]
    + [datetime(2024, 2, 29, 12, 30, 15, 123_456), datetime(1969, 12, 31, 23, 59, 59, 999_999)],
    "date": [date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date(1969, 12, 31)],
    "timedelta": [timedelta(0), timedelta(1), timedelta(0, 0, -1), timedelta(-3, 5), timedelta(10**8)],
}
SMALL: dict[str, list[Any]] = {
    "int": [0, 1, -1, 2, 3, 5, -4, 10],
    "float": [0.0, -0.0, 1.0, -1.5, 0.5, 2.5, 0.125, 99.995],
}
HANDLES = [None, *(Handle("User", number) for number in range(3))]
CONSTS: dict[str, Any] = {
    "SEQ": ("a", "bb", "ccc"),
    "NUMS": [1, 2, 3],
    "RATES": (0.5, 1.5),
    "MIXED": (1, 2.5, "x", None),
    "PAIRS": (("a", 1), ("b", 2.5), ("c", 3)),
    "BY_TEXT": {"a": 1, "b": 2, "abc": 3},
    "BY_INT": {0: "x", 1: "y", 5: "z", -1: "w"},
    "BY_BOOL": {True: "t", False: "f"},
    "BY_PAIR": {(True, "a"): "x", (False, "b"): "y", (True, ""): "z"},
    "MEMBERS": {1, "a", None},
    "DATES": (datetime(2024, 1, 1), datetime(1970, 1, 1)),
    "BIG": 2**70,
    "NAN": math.nan,
    "math": math,
    "datetime": datetime,
    "timedelta": timedelta,
}
LITERALS: dict[str, list[str]] = {
    "bool": ["True", "False"],
    "int": ["0", "1", "2", "-1", "3", "10", "2**53", "2**62", "9223372036854775807", "BIG"],
    "float": [
        "0.0",
        "-0.0",
        "1.0",
        "2.5",
        "-1.5",
        "0.1",
        "1e308",
        "float('inf')",
        "9007199254740993.0",
        "NAN",
    ],
    "text": list(map(repr, TEXTS)),
    "datetime": ["datetime(2024, 1, 1)"],
    "timedelta": ["timedelta(days=1)", "timedelta(seconds=-1)", "timedelta(microseconds=3)"],
}
KINDS = ("bool", "int", "float", "text", "datetime", "date", "timedelta")
# {kind}: an expression of that kind; {num}: of any number; {any}: of any kind; [a|b]: one of these.
GRAMMAR: dict[str, list[str]] = {
    "bool": [
        "{num} [<|<=|>|>=|==|!=] {num}", "{text} [<|<=|>|>=|==|!=] {text}", "{any} [==|!=] {any}",
        "{datetime} [<|>=] {datetime}", "{date} [<|>=] {date}", "{timedelta} [<|>=] {timedelta}", "{any} < {any}",
        "{int} < {int} <= {int}", "{num} < {num} != {float}", "not {any}", "bool({any})", "{any} is [|not ]None",
        "{any} [==|!=] None", "{bool} [and|or|&|^] {bool}", "{text} [in|not in] [SEQ|BY_TEXT|MEMBERS|'abc']",
        "{text} in ('a', 'b', '12', '', 'abc', 'q')", "{int} in [NUMS|BY_INT|MEMBERS|range(5)|range(10, -10, -3)]",
        "{int} in (0, 1, 2, 3, 7, 10, 100)", "{int} in (1.0, 2, None)", "{float} in (0, 1, 2.5, None)",
        "{text} in ({text}, {text})", "{int} in ({int}, {int})", "{text} in {text}", "{datetime} in DATES",
        "{text}.[startswith|endswith]({text})", "{text}.startswith(('a', '1'))", "{text}.is[digit|alpha|upper]()",
        "math.[isnan|isinf|isfinite]({num})", "user == other", "user is other", "user != other", "user is None",
        "not user", "user and True", "user in (other, None)", "user == thing", "thing is None", "thing == {int}",
    ],
    "int": [
        "{int} [+|-|*|//|%] {int}", "{int} [+|-|*|//|%] [1|2|-1|3|0|2**62]", "[1|-1|7|2**62] [+|-|*|//|%] {int}",
        "{int} [&||^] {int}", "{int} [+|*] {bool}", "-{int}", "~{int}", "+{bool}", "abs({int})", "{int} ** [0|1|2|3]",
        "{int} ** [-1|4|7]", "{int} [<<|>>] [0|1|3|62|70]", "len({text})", "int({num})", "int({text})", "round({float})",
        "round({int}, [0|1|-1|None])", "math.[floor|ceil|trunc]({num})", "[min|max]({int}, {int})",
        "[min|max]({int}, {int}, {num})", "hash({any})", "hash({any}) % 10", "NUMS[{int}]", "BY_TEXT[{text}]",
        "BY_TEXT.get({text}, 0)", "BY_TEXT.get({text})", "PAIRS[{int}][1]", "{text}.[find|count|index]({text})",
        "{datetime}.[year|month|day|hour|minute|second|microsecond]", "{date}.[year|month|day|weekday()]",
        "{datetime}.[weekday()|isoweekday()|toordinal()]", "{timedelta}.[days|seconds|microseconds]",
        "{timedelta} // {timedelta}", "math.gcd({int}, {int})", "ord({text})",
    ],
    "float": [
        "{num} [+|-|*|/|//|%] {float}", "{float} [+|-|*|/|//|%] {num}", "{num} / {num}", "{num} / [1|3|-2|0|2**62]",
        "-{float}", "abs({float})", "float({num})", "float({text})", "round({float}, [0|1|2|3|-1|-2|15|17])",
        "{num} ** [0.5|2|-1|3|1.5]", "{float} ** {float}", "math.[sqrt|exp|log|sin|fabs]({num})",
        "[min|max]({num}, {float})", "max(0, {float}) [*|+] {num}", "({float} if {bool} else {int}) / 3",
        "{timedelta}.total_seconds()", "{timedelta} / {timedelta}", "RATES[{int}]", "math.atan2({num}, {num})",
    ],
    "text": [
        "{text} + {text}", "{text} * [0|1|2]", "{text}.[upper|lower|title|strip|capitalize]()", "{text}.zfill(4)",
        "{text}.replace({text}, 'é')", "{text}[[:1|1:|::-1|:|0|-1|:-1]]", "{text}[{int}]", "str({any})", "repr({any})",
        "f'<{any}>'", "f'{any!r} {int:05d}'", "f'{float:.2f}-{text}'", "f'{text:>6}'", "SEQ[{int}]", "SEQ[{int}].upper()",
        "BY_INT[{int}]", "BY_INT.get({int}, 'none')", "BY_BOOL[{bool}]", "BY_PAIR[({bool}, {text})]", "PAIRS[{int}][0]",
        "MIXED[{int}]", "'%s' % {any}", "'%s-%s' % ({any}, {text})", "'a{{}}-{{}}'.format({any}, {text})",
        "{datetime}.isoformat()", "{datetime}.strftime('%Y %H')", "chr({int})",
    ],
    "datetime": [
        "{datetime} [+|-] {timedelta}", "{timedelta} + {datetime}", "DATES[{int}]", "[min|max]({datetime}, {datetime})",
        "datetime({int}, 1, {int})",
    ],
    "date": ["{date} [+|-] {timedelta}", "{timedelta} + {date}", "{datetime}.date()"],
    "timedelta": [
        "{datetime} - {datetime}", "{date} - {date}", "{timedelta} [+|-|%] {timedelta}", "{timedelta} * {num}",
        "{timedelta} [/|//] {num}", "[-|+|abs]({timedelta})", "timedelta([days|hours|seconds|milliseconds]={num})",
        "timedelta({num}, seconds={num})", "timedelta(hours={float}, days={float}, microseconds={int})",
    ],
}  # fmt: skip
EVERYWHERE = [
    "{same} if {bool} else {same}",
    "{same} if {any} else {any}",
    "{same} [and|or] {same}",
    "{same} or {any}",
]


def type_of_variable(name: str) -> Type:
    if name in ("user", "other"):
        return USER
    if name == "thing":
        return OBJECT
    return Type(name.partition("_")[2], optional=name.startswith("maybe"))


BENIGN: dict[str, tuple[Type, list[Any]]] = {
    "a": (INT, [1, 2, 3, 40]),
    "b": (INT, [7, 5, 3, 1]),
    "x": (FLOAT, [0.5, -2.0, 7.25, 1e6]),
    "flag": (BOOL, [True, False, True, True]),
    "plan": (CODE, ["free", "gold", "free", ""]),
    "name": (STR, ["Ann", "bob", "", "Zoë"]),
    "note": (Type("str", optional=True), ["hi", None, "", "x"]),
    "last": (Type("datetime", optional=True), [None, datetime(2024, 5, 1), None, datetime(2023, 1, 1)]),
    "now": (
        TIME,
        [datetime(2024, 5, 1, 9, 30), datetime(2024, 5, 4, 23), datetime(2024, 2, 29), datetime(1970, 1, 1)],
    ),
    "day": (DAY, [date(2024, 5, 1), date(2024, 2, 29), date(1969, 12, 31), date(2000, 1, 1)]),
    "gap": (LENGTH, [timedelta(hours=5), timedelta(-1), timedelta(0), timedelta(days=3)]),
    "user": (USER, [Handle("User", 0), None, Handle("User", 2), None]),
    "thing": (OBJECT, [1, 2.5, "x", (1, 2)]),
}
BY_COLUMN = [
    "a", "3", "'gold'", "None", "a + 1", "1 - a", "a * b + 2", "a // b", "a % -3", "a / b", "a ** 2", "-a", "~a", "a << 3",
    "x * 1.2 - a", "x // 0.3", "round(x)", "round(x, 2)", "int(x)", "abs(x)", "min(a, b, 3)", "max(0, x)", "max(0, x) / 2",
    "1 < a <= 3", "a > 1 and x < 3 or flag", "not flag", "not plan", "not name", "not user", "user is None", "user",
    "plan == 'gold'", "plan != 'no such'", "plan in ('gold', 'free')", "'gold' if a > 2 else plan", "plan or 'none'",
    "TABLE[plan]", "TABLE.get(plan, 0)", "TABLE.get(name)", "RATES[flag]", "SEQ[a % 3]", "SEQ[a % 3][0]", "SEQ[-1]",
    "PAIRS[(plan, flag)]", "f'user {a:03d} of {plan}'", "f'{x:.2f}'", "f'{note}'", "plan.upper()", "name.lower()",
    "name[:2]", "name.startswith('A')", "len(name) + a", "len(plan)", "hash(plan) % 100", "hash(name) % 7", "str(x)",
    "name + plan", "note == 'hi'", "note is None", "note == None", "note or 'empty'", "last is None or now > last",
    "now - timedelta(days=30)", "(now - now).total_seconds()", "now.hour in range(9, 17)", "now.weekday() >= 5",
    "now.month", "now.date() == day", "day.year", "day.isoformat()", "now.strftime('%A')", "gap / 2", "gap.days",
    "timedelta(hours=a)", "timedelta(seconds=x)", "now + gap > now", "x if a > 1 else 0", "x if flag else None",
    "last.year if last is not None else 0", "10 / (a - 1) if a > 1 else 0.0", "math.sqrt(a)", "math.exp(-a)",
    "math.floor(x)", "math.isnan(x)", "bool(a)", "float(a)", "a in (1, 2, 3, 4, 5, 6)", "a in {1, 'x', None}",
    "thing is None", "thing == 1", "str(thing)", "f'{thing}'", "(a, plan)", "'%s %d' % (name, a)", "a ** b", "flag + 1",
]  # fmt: skip
