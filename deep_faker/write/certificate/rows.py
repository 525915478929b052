"""Statements about tables, events and sessions."""

from __future__ import annotations

from collections.abc import Iterator

from deep_faker.write.certificate.check import EVENTS, Check, Shape, literal, quoted

_KINDS = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp[us]": "TIMESTAMP",
    "date32[day]": "DATE",
}
_OUTCOMES = ("completed", "decayed", "no_entity", "cut")
_EID, _SID = 12, 8  # characters of ids


def table_checks(shape: Shape) -> Iterator[Check]:
    """Each table has the rows and the columns that the manifest says."""
    for table, entry in shape.manifest["tables"].items():
        view, rows = quoted(table), int(entry["rows"])
        yield Check(
            f"{table}: as many rows as the manifest counts",
            f"SELECT n FROM (SELECT count(*) AS n FROM {view}) WHERE n <> {rows}",
        )
        folders = entry.get("partitioned_by", [])  # what stands in their names, stands there as text
        wanted = ", ".join(
            f"({literal(column)}, {literal('' if column in folders else _KINDS.get(kind, ''))})"
            for column, kind in entry["columns"].items()
        )
        beside = [
            "filename",
            "file_row_number",
            "part",
            *(key for key in folders if key not in entry["columns"]),
        ]
        yield Check(
            f"{table}: the columns that the manifest says",
            f"SELECT coalesce(w.name, d.column_name) FROM (VALUES {wanted}) w(name, kind) "
            f"FULL JOIN (SELECT * FROM (DESCRIBE {view}) WHERE column_name NOT IN ({', '.join(map(literal, beside))})) d "
            "ON d.column_name = w.name WHERE w.name IS NULL OR d.column_name IS NULL "
            "OR (w.kind <> '' AND w.kind <> d.column_type)",
        )


def event_checks(shape: Shape) -> Iterator[Check]:
    """Events have ids of their own and places in the order of time, in their files too."""
    yield Check(
        "events: ids are there, unique, and of 12 characters",
        f"SELECT sys__eid FROM {EVENTS} GROUP BY sys__eid "
        f"HAVING count(*) > 1 OR sys__eid IS NULL OR length(sys__eid) <> {_EID}",
    )
    # the parts' places lie between each other's
    step = int(shape.manifest["partitions"]) if shape.in_parts else 1
    first = "part::BIGINT + 1" if shape.in_parts else "1"
    whole = "" if shape.filtered else (
        f" OR min(sys__order) <> {first} OR max(sys__order) <> {first} + (count(*) - 1) * {step}"
    )  # fmt: skip
    yield Check(
        "events: places are 1, 2, 3 …",
        f"SELECT part FROM {EVENTS} GROUP BY part HAVING count(DISTINCT sys__order) <> count(*){whole}",
    )
    yield Check(
        "events: time follows their places",
        f"SELECT sys__eid FROM (SELECT sys__eid, sys__time < lag(sys__time) OVER (PARTITION BY part ORDER BY sys__order) "
        f"AS back FROM {EVENTS}) WHERE back",
    )
    yield Check(
        "events: milliseconds are those of the instant",
        f"SELECT sys__eid FROM {EVENTS} WHERE epoch_us(sys__time) - sys__ets * 1000 NOT BETWEEN 0 AND 999",
    )
    yield Check(
        "events: none before the start" + (", none after the end" if _cuts(shape) else ""),
        f"SELECT sys__eid FROM {EVENTS} WHERE sys__time < {shape.start}"
        + (f" OR sys__time > {shape.end}" if _cuts(shape) else ""),
    )
    yield _in_file("events", EVENTS, "sys__eid", "sys__order", "<=")


def _cuts(shape: Shape) -> bool:
    return shape.settings.get("on_end") == "cut"


def _in_file(what: str, view: str, shown: str, column: str, back: str) -> Check:
    return Check(
        f"{what}: in order in each file",
        f"SELECT {shown} FROM (SELECT {shown}, {column} {back} lag({column}) OVER "
        f"(PARTITION BY filename ORDER BY file_row_number) AS back FROM {view}) WHERE back",
    )


def session_checks(shape: Shape) -> Iterator[Check]:
    """Every event is in its session, and sessions are as flows run."""
    yield Check(
        "sessions: ids are there, unique, and of 8 characters",
        f"SELECT sys__sid FROM sessions GROUP BY sys__sid "
        f"HAVING count(*) > 1 OR sys__sid IS NULL OR length(sys__sid) <> {_SID}",
    )
    initial = f"e.sys__time = {shape.start}"
    sources = shape.facts.get("sources")
    if sources is not None:
        made = [
            sources[name]["event"] for name in shape.settings.get("initial_entities", {}) if name in sources
        ]
        initial += f" AND e.event_type IN ({', '.join(map(literal, made)) or 'NULL'})"
    yield Check(
        "sessions: every event has one, but those of initial entities",
        f"SELECT e.sys__eid FROM {EVENTS} e ANTI JOIN sessions s ON s.sys__sid = e.sys__sid WHERE NOT ({initial})",
    )
    yield Check(
        "sessions: initial entities have an id each",
        f"SELECT e.sys__sid FROM {EVENTS} e ANTI JOIN sessions s ON s.sys__sid = e.sys__sid "
        "GROUP BY e.sys__sid HAVING count(*) > 1",
    )
    yield Check(
        "sessions: events lie within theirs",
        f"SELECT e.sys__eid FROM {EVENTS} e JOIN sessions s ON s.sys__sid = e.sys__sid "
        "WHERE e.sys__time NOT BETWEEN s.started AND s.ended",
    )
    different = "<" if shape.filtered else "<>"
    yield Check(
        "sessions: they count their events",
        f"SELECT s.sys__sid FROM sessions s LEFT JOIN (SELECT sys__sid, count(*) AS n FROM {EVENTS} GROUP BY sys__sid) e "
        f"ON e.sys__sid = s.sys__sid WHERE s.events {different} coalesce(e.n, 0)",
    )
    late = f" OR ended > {shape.end}" if _cuts(shape) else " OR outcome = 'cut'"
    yield Check(
        "sessions: they start within the run, and end as flows do",
        f"SELECT sys__sid FROM sessions WHERE started < {shape.start} OR started >= {shape.end} OR ended < started "
        f"OR outcome NOT IN ({', '.join(map(literal, _OUTCOMES))}){late}",
    )
    yield _in_file("sessions", "sessions", "sys__sid", "ended", "<")


def count_checks(shape: Shape) -> Iterator[Check]:
    """How many there are: never more than the ceiling, and as many as theory expects, within six deviations."""
    ceiling = shape.settings.get("n_flows")
    if ceiling is not None:
        yield Check(
            f"counts: never more than {ceiling} flows at once",
            "SELECT instant FROM (SELECT instant, sum(change) OVER (ORDER BY instant, change DESC ROWS UNBOUNDED PRECEDING) "
            "AS active FROM (SELECT started AS instant, 1 AS change FROM sessions UNION ALL SELECT ended, -1 FROM sessions)) "
            f"WHERE active > {int(ceiling)}",
        )
    for entity, count in shape.settings.get("initial_entities", {}).items():
        if f"entities/{entity}" in shape.tables:
            yield Check(
                f"counts: {count} initial {entity}",
                f"SELECT n FROM (SELECT count(*) AS n FROM {quoted(f'entities/{entity}')} WHERE born = {shape.start}) "
                f"WHERE n < {int(count)}",
            )
    for flow, said in shape.facts.get("arrivals", {}).items():
        expected = float(said["expected"])
        below = f" OR n < {expected!r} - 6 * sqrt({expected!r}) - 6" if said["all"] else ""
        yield Check(
            f"rates: {flow} starts as often as its rate says",
            f"SELECT n FROM (SELECT count(*) AS n FROM sessions WHERE flow = {literal(flow)}) "
            f"WHERE n > {expected!r} + 6 * sqrt({expected!r}) + 12{below}",
        )
    shares = shape.facts.get("shares", {})
    whole = sum(shares.values())
    among = ", ".join(map(literal, shares))
    for flow, weight in shares.items():
        yield _binomial(
            f"rates: {flow} has its weight among flows that can always start",
            f"SELECT count(*) AS n, count(*) FILTER (flow = {literal(flow)}) AS k FROM sessions WHERE flow IN ({among})",
            weight / whole,
        )
    for flow, said in shape.facts.get("decays", {}).items():
        yield _binomial(
            f"rates: {flow} ends in line {said['line']} as often as its rate says",
            f"SELECT count(*) AS n, count(*) FILTER (outcome = 'decayed' AND line = {int(said['line'])}) AS k "
            f"FROM sessions WHERE flow = {literal(flow)} AND outcome NOT IN ('cut', 'no_entity')",
            float(said["rate"]),
        )


def _binomial(name: str, counts: str, share: float) -> Check:
    return Check(
        name,
        f"SELECT k FROM ({counts}) WHERE abs(k - n * {share!r}) > 6 * sqrt(n * {share!r} * {1 - share!r}) + 6",
    )
