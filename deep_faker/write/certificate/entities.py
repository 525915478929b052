"""Statements about entities: keys, births, who has them, and their history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deep_faker.write.certificate.check import EVENTS, Check, Shape, literal, quoted


def entity_checks(shape: Shape) -> Iterator[Check]:
    """Keys are unique and exist at their time; sources are where entities come from."""
    for entity, (key, _) in shape.keys.items():
        view, k = quoted(f"entities/{entity}"), quoted(key)
        yield Check(
            f"{entity}: keys are there, and unique",
            f"SELECT {k} FROM {view} GROUP BY {k} HAVING count(*) > 1 OR {k} IS NULL",
        )
        yield Check(
            f"{entity}: nobody is born before the start", f"SELECT {k} FROM {view} WHERE born < {shape.start}"
        )
        yield from _source(shape, entity)
    for event in shape.group("events"):
        for column, entity in shape.names_of(event).items():
            view, c, k = quoted(f"events/{event}"), quoted(column), quoted(shape.keys[entity][0])
            yield Check(
                f"{event}: {column} is a {entity} that was born by then",
                f"SELECT e.sys__eid FROM {view} e LEFT JOIN {quoted(f'entities/{entity}')} x ON x.{k} = e.{c} "
                f"WHERE e.{c} IS NOT NULL AND (x.{k} IS NULL OR x.born > e.sys__time)",
            )


def _source(shape: Shape, entity: str) -> Iterator[Check]:
    said = shape.facts.get("sources", {}).get(entity)
    key = shape.keys[entity][0]
    if said is None or key not in shape.tables.get(f"events/{said['event']}", {}):
        return
    view, events, k = quoted(f"entities/{entity}"), quoted(f"events/{said['event']}"), quoted(key)
    silent = not shape.settings.get("emit_initial_entities", True)
    yield Check(
        f"{entity}: each is born by one {said['event']}, at its instant",
        f"SELECT x.{k} FROM {view} x LEFT JOIN {events} e ON e.{k} = x.{k} AND e.sys__time = x.born "
        + (f"WHERE x.born > {shape.start} " if silent else "")
        # one that makes none may name it again at that instant
        + f"GROUP BY x.{k} HAVING count(e.sys__eid) {'<> 1' if said['always'] else '= 0'}",
    )
    if said["always"]:
        yield Check(
            f"{said['event']}: each makes a {entity}",
            f"SELECT e.sys__eid FROM {events} e ANTI JOIN {view} x ON x.{k} = e.{k} AND x.born = e.sys__time",
        )


def holding_checks(shape: Shape) -> Iterator[Check]:
    """Nobody is in two sessions at once."""
    for entity, (key, kind) in shape.keys.items():
        if shape.tables.get("sessions", {}).get(entity) != f"list<{kind}>":
            continue
        view, k, column = quoted(f"entities/{entity}"), quoted(key), quoted(entity)
        taken = f"(SELECT sys__sid, started, ended, unnest({column}) AS k FROM sessions)"
        yield Check(
            f"{entity}: sessions have such as exist, each once",
            f"SELECT t.sys__sid FROM {taken} t LEFT JOIN {view} x ON x.{k} = t.k "
            f"GROUP BY t.sys__sid, t.k HAVING count(*) > 1 OR count(x.{k}) <> count(*) OR max(x.born) > max(t.ended)",
        )
        if entity in shape.facts.get("single", ()):
            yield Check(
                f"{entity}: a session has one at most",
                f"SELECT sys__sid FROM sessions WHERE len({column}) > 1",
            )
        if entity in shape.facts.get("early", ()):
            since = "greatest(t.started, x.born)"
            yield Check(
                f"{entity}: nobody is in two sessions at once",
                f"SELECT sys__sid FROM (SELECT t.sys__sid, {since} <= lag(t.ended) OVER "
                f"(PARTITION BY t.k ORDER BY {since}, t.ended) AS over_ FROM {taken} t JOIN {view} x ON x.{k} = t.k) "
                "WHERE over_",
            )
        yield from _named(shape, entity, taken)


def _named(shape: Shape, entity: str, taken: str) -> Iterator[Check]:
    """What events name is held by their session, where nobody uses such without holding it."""
    if entity not in shape.facts.get("held", ()):
        return
    named = [
        (event, column)
        for event in shape.group("events")
        for column, e in shape.names_of(event).items()
        if e == entity
    ]
    for event, column in named:
        c = quoted(column)
        yield Check(
            f"{event}: {column} is a {entity} that its session has",
            f"SELECT e.sys__eid FROM {quoted(f'events/{event}')} e JOIN sessions s ON s.sys__sid = e.sys__sid "
            f"WHERE e.{c} IS NOT NULL AND NOT list_contains(s.{quoted(entity)}, e.{c})",
        )
    if named and entity in shape.facts.get("single", ()):
        events = " UNION ALL ".join(
            f"SELECT sys__sid, sys__time, sys__order, part, {quoted(column)} AS k FROM {quoted(f'events/{event}')} "
            f"WHERE {quoted(column)} IS NOT NULL"
            for event, column in named
        )
        yield Check(
            f"{entity}: no session names one between two events of another session that has it",
            f"SELECT sys__sid FROM (SELECT n.sys__sid, n.first, max(n.last) OVER (PARTITION BY n.k ORDER BY n.first, n.sys__sid "
            "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (SELECT e.k, e.sys__sid, "
            f"min(e.sys__time) AS first, max(e.sys__time) AS last FROM ({events}) e SEMI JOIN {taken} t "
            "ON t.sys__sid = e.sys__sid AND t.k = e.k GROUP BY ALL) n) WHERE first < before",
        )


# ---------------------------------------------------------------- history


def history_checks(shape: Shape) -> Iterator[Check]:
    """The history is the fold of the changes: from the birth, change by change, to the final state."""
    for entity in shape.group("history"):
        if entity not in shape.keys or shape.replicated(entity):
            continue
        key = shape.keys[entity][0]
        history, final, k = quoted(f"history/{entity}"), quoted(f"entities/{entity}"), quoted(key)
        steps = quoted(f"steps/{entity}")
        yield Check(
            f"{entity}: versions count 1, 2, 3 …",
            f"SELECT {k} FROM {history} GROUP BY {k} HAVING min(sys__version) <> 1 OR max(sys__version) <> count(*) "
            "OR count(DISTINCT sys__version) <> count(*)",
        )
        yield Check(
            f"{entity}: each version begins where the one before it ends",
            f"SELECT {k} FROM {steps} WHERE sys__version > 1 AND (valid_from IS DISTINCT FROM was_valid_to "
            "OR sys__order < was_sys__order)",
        )
        yield Check(
            f"{entity}: the first version begins at the birth, the last one has no end",
            f"SELECT x.{k} FROM {final} x LEFT JOIN (SELECT {k}, min(valid_from) AS first, count(*) FILTER (valid_to IS NULL) "
            f"AS open, max(sys__version) FILTER (valid_to IS NULL) = count(*) AS last FROM {history} GROUP BY {k}) h "
            f"ON h.{k} = x.{k} WHERE h.first IS DISTINCT FROM x.born OR h.open <> 1 OR h.last IS DISTINCT FROM true",
        )
        same = (
            " OR ".join(f"h.{quoted(f)} IS DISTINCT FROM x.{quoted(f)}" for f in shape.fields(entity))
            or "false"
        )
        yield Check(
            f"{entity}: the last version is the final state",
            f"SELECT coalesce(h.{k}, x.{k}) FROM (SELECT * FROM {history} QUALIFY row_number() OVER "
            f"(PARTITION BY {k} ORDER BY sys__version DESC) = 1) h FULL JOIN {final} x ON x.{k} = h.{k} "
            f"WHERE h.{k} IS NULL OR x.{k} IS NULL OR {same}",
        )
        yield Check(
            f"{entity}: in order in each file",
            f"SELECT {k} FROM (SELECT {k}, valid_to < lag(valid_to) OVER (PARTITION BY filename ORDER BY file_row_number) "
            f"AS back FROM {history}) WHERE back",
        )
        if not shape.filtered:
            yield Check(
                f"{entity}: changes are made by events, at their instants and places",
                f"SELECT h.{k} FROM {history} h LEFT JOIN {EVENTS} e ON e.sys__eid = h.sys__eid "
                "WHERE h.sys__eid IS NOT NULL AND (e.sys__eid IS NULL OR e.sys__time <> h.valid_from "
                "OR e.sys__order <> h.sys__order)",
            )
        yield from _births(shape, entity)
        yield from _folds(shape, entity)


def _births(shape: Shape, entity: str) -> Iterator[Check]:
    """The first version is what the source event and the defaults say."""
    said = shape.facts.get("state", {}).get(entity)
    source = shape.facts.get("sources", {}).get(entity)
    if said is None:
        return
    k, history = quoted(shape.keys[entity][0]), quoted(f"history/{entity}")
    kinds = shape.fields(entity)
    constant = [
        f"{quoted(name)} IS DISTINCT FROM {literal(value['value'])}"
        for name, value in said.items()
        if "value" in value and name in kinds
    ]
    if constant:
        yield Check(
            f"{entity}: they begin with their defaults",
            f"SELECT {k} FROM {history} WHERE sys__version = 1 AND ({' OR '.join(constant)})",
        )
    columns = shape.tables.get(f"events/{source['event']}", {}) if source else {}
    copied = [
        f"h.{quoted(name)} IS DISTINCT FROM e.{quoted(value['field'])}"
        for name, value in said.items()
        if "field" in value and kinds.get(name) is not None and kinds[name] == columns.get(value["field"])
    ]
    if copied and source is not None:
        yield Check(
            f"{entity}: they begin with what {source['event']} says",
            f"SELECT h.{k} FROM {history} h JOIN {quoted('events/' + source['event'])} e ON e.sys__eid = h.sys__eid "
            f"WHERE h.sys__version = 1 AND ({' OR '.join(copied)})",
        )


def _folds(shape: Shape, entity: str) -> Iterator[Check]:
    """Each version is the one before it, changed as the event that made it changes state."""
    events: Mapping[str, Mapping[str, Any]] | None = shape.facts.get("changes", {}).get(entity)
    if events is None:
        return
    k, steps = quoted(shape.keys[entity][0]), quoted(f"steps/{entity}")
    if not shape.filtered:
        changing = ", ".join(map(literal, events)) or "NULL"
        bare = "" if entity in shape.facts.get("bare", ()) else " OR h.sys__eid IS NULL"
        yield Check(
            f"{entity}: only events that change state make a version",
            f"SELECT h.{k} FROM {steps} h LEFT JOIN {EVENTS} e ON e.sys__eid = h.sys__eid "
            f"WHERE h.sys__version > 1 AND (e.event_type NOT IN ({changing}){bare})",
        )
    for event, fields in events.items():
        if f"events/{event}" not in shape.tables:
            continue
        wrong = [
            text for name in shape.fields(entity) if (text := _wrong(shape, entity, event, name, fields))
        ]
        if wrong:
            yield Check(
                f"{entity}: a {event} changes it as it must",
                f"SELECT h.{k} FROM {steps} h JOIN {quoted(f'events/{event}')} e ON e.sys__eid = h.sys__eid "
                f"WHERE h.sys__version > 1 AND ({' OR '.join(wrong)})",
            )


def _wrong(shape: Shape, entity: str, event: str, name: str, fields: Mapping[str, Any]) -> str | None:
    """When a field's new value is not what it must be; None where nothing is sure."""
    new, old = f"h.{quoted(name)}", f"h.{quoted('was_' + name)}"
    if name not in fields:
        return f"{new} IS DISTINCT FROM {old}"
    said = fields[name]
    if said is None:
        return None
    kind = shape.fields(entity)[name]
    if "field" in said:
        if shape.tables[f"events/{event}"].get(said["field"]) != kind:
            return None
        value = f"e.{quoted(said['field'])}"
    else:
        value = literal(said["value"])
    if said["op"] == "is":
        # a constant goes to the column's type before they are compared
        return f"{new} IS DISTINCT FROM {value}" if kind in ("string", "int64", "double", "bool") else None
    if kind not in ("int64", "double"):
        return None
    made = {
        "add": f"{old} + {value}",
        "subtract": f"{old} - {value}",
        "multiply": f"{old} * {value}",
        "min": f"least({old}, {value})",
        "max": f"greatest({old}, {value})",
    }.get(said["op"])
    return None if made is None else f"{new} IS DISTINCT FROM {made}"
