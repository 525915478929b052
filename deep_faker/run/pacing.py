"""Live pacing: events leave at the simulated time, faster or slower, or at a fixed rate."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

import numpy as np

from deep_faker.errors import Diagnostic, SettingsError, wrong_setting
from deep_faker.plan import Array
from deep_faker.spans import caller_span
from deep_faker.times import parse_duration
from deep_faker.write import EventChunk

_TICK = 0.02  # seconds: events that fall due within one leave together, at its end
_RATE = re.compile(r"\s*([0-9][0-9_,.]*)\s*([kM]?)\s*/\s*(s|sec|second|m|min|minute|h|hour)\s*")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Pace:
    """How fast events leave: simulated seconds a second, or events a second."""

    speed: float | None = None
    rate: float | None = None


class TraceSizes:
    """How many events an engine should gather before it hands them on: ``rows``, at most ``most``.

    Few at first, so that the first event leaves at once. Then more and more, since large columns cost less an
    event; of a paced run about as many as leave within a second, so that the next ones are ready in time.

    >>> sizes = TraceSizes(None)
    >>> sizes.rows, sizes.after(events=300, until=1_000_000), sizes.after(events=1100, until=2_000_000)
    (256, 1024, 4096)
    """

    _FIRST, _LAST = 256, 1 << 20

    def __init__(self, pace: Pace | None, *, most: int | None = None) -> None:
        self._pace, self._most = pace, most or self._LAST
        self._until: int | None = None
        self.rows = min(self._FIRST if pace is None else 1, self._most)

    def after(self, events: int, until: int) -> int:
        """The next size, after a trace of so many ``events`` that ends at the instant ``until`` (µs)."""
        if self._pace is None:
            factor = 4.0
        else:
            factor = (
                2.0 if (seconds := self._seconds(events, until)) < 0.25 else 0.5 if seconds > 1.0 else 1.0
            )
        self._until = until
        self.rows = max(1, min(int(self.rows * factor), self._most))
        return self.rows

    def _seconds(self, events: int, until: int) -> float:
        """For how long the events of a trace leave."""
        assert self._pace is not None
        if self._pace.rate is not None:
            return events / self._pace.rate
        assert self._pace.speed is not None
        return 0.0 if self._until is None else (until - self._until) / 1_000_000 / self._pace.speed


class Pacer:
    """Cuts chunks so that each piece can leave when it is due, and waits for that instant.

    ``speed`` is simulated seconds a second of wall time; ``rate`` is events a second, whatever their
    times. ``lag`` is by how many seconds the last piece left too late, ``worst`` the most so far.

    >>> from threading import Event
    >>> Pacer(Event(), speed=None, rate=1000.0).worst
    0.0
    """

    def __init__(self, stop: Event, *, speed: float | None, rate: float | None) -> None:
        self._stop = stop
        self._speed, self._rate = speed, rate
        self._began: float | None = None
        self._origin = 0.0
        self.lag = self.worst = 0.0

    def pieces(self, chunk: EventChunk) -> Iterator[EventChunk]:
        """The chunk in pieces, each when it is due; ends early where the run is told to stop."""
        if not len(chunk):
            return
        due = self._due(chunk)
        if self._began is None:  # the clock starts with the first event, also of a resumed run
            self._began, self._origin = time.monotonic(), float(due[0])
        due -= self._origin
        ticks = np.floor(due / _TICK)
        cuts = np.flatnonzero(np.diff(ticks)) + 1
        ends = np.append(cuts, len(chunk)) - 1
        for piece, last in zip(chunk.cuts(cuts.tolist()), ends.tolist()):
            if not self._wait(float(due[last])):
                return
            yield piece

    def _wait(self, due: float) -> bool:
        assert self._began is not None
        left = self._began + due - time.monotonic()
        if left > 0:
            self.lag = 0.0
            return not self._stop.wait(left)
        # what leaves within a tick is in time
        self.lag = max(0.0, -left - _TICK)
        self.worst = max(self.worst, self.lag)
        return not self._stop.is_set()

    def _due(self, chunk: EventChunk) -> Array:
        """Seconds at which each event is due, from an origin of no meaning, never falling."""
        if self._rate is not None:
            return np.arange(chunk.first, chunk.end, dtype=np.float64) / self._rate
        assert self._speed is not None
        names = [name for name in chunk.names if name in chunk.tables]
        times = np.concatenate([_millis(chunk, name) for name in names])
        due: Array = np.maximum.accumulate(times[chunk.positions()]) / (1000.0 * self._speed)
        return due


def _millis(chunk: EventChunk, name: str) -> Array:
    """When events leave, in ms: when they happen or, where that is told, when they arrive."""
    if "available_time" in (stamps := chunk.stamps.get(name, chunk.tables[name])).column_names:
        micros: Array = stamps["available_time"].to_numpy().astype(np.int64)
        return micros // 1000
    millis: Array = chunk.tables[name]["sys__ets"].to_numpy()
    return millis


def last_instant(chunk: EventChunk) -> int:
    """The time of the chunk's last event, in µs (to the millisecond).

    >>> import pyarrow as pa
    >>> chunk = EventChunk({"A": pa.table({"sys__ets": [1, 5]})}, np.zeros(2, np.uint16), ("A",))
    >>> last_instant(chunk)
    5000
    """
    last: int = max(table["sys__ets"][-1].as_py() for table in chunk.tables.values() if table.num_rows)
    return 1000 * last


def parse_speed(value: object) -> float:
    """Simulated seconds a second: a number above 0, or ``"60x"``. Raises `SettingsError`.

    >>> parse_speed("60x")
    60.0
    """
    text = value.strip().rstrip("x×") if isinstance(value, str) else value
    try:
        speed = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        speed = 0.0
    if isinstance(value, bool) or not 0 < speed < float("inf"):
        raise SettingsError(
            Diagnostic(
                "wrong speed", caller_span(), f"speed={value!r}", 'give 1.0 for real time, or 60 or "60x"'
            )
        )
    return speed


def parse_rate(value: object) -> float:
    """Events a second: a number above 0, ``"5000/s"``, ``"5k/s"``, ``"300/min"``. Raises `SettingsError`.

    >>> parse_rate("300/min")
    5.0
    """
    rate = 0.0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        rate = float(value)
    elif isinstance(value, str) and (match := _RATE.fullmatch(value)):
        try:
            number = float(match[1].replace("_", "").replace(",", ""))
        except ValueError:
            number = 0.0
        rate = number * {"": 1, "k": 1000, "M": 1_000_000}[match[2]] / _SECONDS[match[3][0]]
    if not 0 < rate < float("inf"):
        mend = 'give events a second: 5000, "5000/s", "5k/s" or "300/min"'
        raise SettingsError(Diagnostic("wrong rate", caller_span(), f"rate={value!r}", mend))
    return rate


def parse_every(value: object) -> tuple[int | None, float | None]:
    """When to make checkpoints: (every so many events, None) or (None, every so many seconds).

    A whole number or ``"1M"`` counts events; ``"30s"`` or a timedelta is time. Raises `SettingsError`.

    >>> parse_every("1M"), parse_every("30s")
    ((1000000, None), (None, 30.0))
    """
    if isinstance(value, str) and (match := re.fullmatch(r"\s*([0-9][0-9_,]*)\s*([kM]?)\s*", value)):
        value = int(match[1].replace("_", "").replace(",", "")) * {"": 1, "k": 1000, "M": 1_000_000}[match[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        if value > 0:
            return value, None
    elif not isinstance(value, (bool, float)):
        try:
            return None, parse_duration(value, "checkpoint_every") / 1_000_000
        except SettingsError:
            pass
    mend = 'give a number of events (1_000_000, "1M") or a time ("30s")'
    raise SettingsError(
        Diagnostic("wrong checkpoint_every", caller_span(), f"checkpoint_every={value!r}", mend)
    )


def pace_of(speed: float | str | None, rate: float | str | None) -> Pace | None:
    """What ``speed=`` and ``rate=`` of a run say, None where neither is given. Raises `SettingsError`.

    >>> pace_of("60x", None)
    Pace(speed=60.0, rate=None)
    """
    if speed is not None and rate is not None:
        raise wrong_setting("speed", speed, "give speed= or rate=, not both")
    if speed is not None:
        return Pace(speed=parse_speed(speed))
    return None if rate is None else Pace(rate=parse_rate(rate))
