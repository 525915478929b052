"""What every run does with what it makes: one thread makes it, another gives it to the outputs, in order.

numpy and pyarrow let go of the interpreter lock while they work, so both cores are used, and one queue of
fixed length keeps memory bounded and the order of the chunks. A signal ends it in good order.
"""

from __future__ import annotations

import gc
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Generic, ParamSpec, Protocol, TypeVar

from deep_faker.errors import CheckpointError, DeepFakerError, OutputError, RunInterrupted
from deep_faker.run.checkpoints.saver import Saver, Snapshot
from deep_faker.run.delivery import Delivery
from deep_faker.run.pacing import TraceSizes
from deep_faker.run.progress import Progress
from deep_faker.run.pulling import finished

_P = ParamSpec("_P")

_QUEUE = 3


class Made(Protocol):
    """A stretch of events that was made, before it is given to anybody."""

    @property
    def events(self) -> int:
        """How many there are."""
        ...

    @property
    def until(self) -> int:
        """The instant (µs) that the run has reached with it."""
        ...


MadeT = TypeVar("MadeT", bound=Made)
Made_co = TypeVar("Made_co", bound=Made, covariant=True)


class Maker(Protocol[Made_co]):
    """Who makes the events, about ``most_rows`` at a time."""

    most_rows: int

    def run(self) -> Iterator[Made_co]:
        """All that is left to be made."""
        ...


class Giving(ABC, Generic[MadeT]):
    """The writing thread's side of a run; ``stop`` ends it."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    @property
    def stopped(self) -> bool:
        """Whether the run was told to stop."""
        return self._stop.is_set()

    def drop(self) -> None:
        """The run has failed: deliver no more."""
        self._stop.set()

    def do(self, task: Callable[_P, None], *arguments: _P.args, **named: _P.kwargs) -> None:
        """One task of the writing thread. Once one has failed, those that wait behind it do nothing.

        Else an output would be given what comes after its failure, and a checkpoint would say it is whole.
        """
        try:
            task(*arguments, **named)
        except BaseException:
            self.drop()
            raise

    @abstractmethod
    def write(self, made: MadeT, bar: Progress) -> None:
        """Give away what was made; nothing more once the run has been told to stop."""

    def save(self, saver: Saver, snapshot: Snapshot) -> None:
        """Make a checkpoint, unless what comes before it has not been delivered."""
        if not self._stop.is_set():
            saver.save(snapshot)


def pump(
    maker: Maker[MadeT], giver: Giving[MadeT], bar: Progress, saver: Saver | None, sizes: TraceSizes
) -> None:
    """Make events here and give them away on one other thread, in order."""
    pending: deque[Future[None]] = deque()
    maker.most_rows = sizes.rows
    with ThreadPoolExecutor(1, thread_name_prefix="deep_faker-write") as pool:
        try:
            for made in maker.run():
                events = made.events
                maker.most_rows = sizes.after(events, made.until)
                pending.append(pool.submit(giver.do, giver.write, made, bar))
                if saver is not None and saver.due(events):
                    pending.append(pool.submit(giver.do, giver.save, saver, saver.snapshot()))
                while pending and (len(pending) > _QUEUE or pending[0].done()):
                    finished(pending.popleft())
                if giver.stopped:
                    break
            while pending:
                finished(pending.popleft())
        except BaseException:
            for future in pending:
                future.cancel()
            giver.drop()
            raise


@contextmanager
def let_go_of(delivery: Delivery, saver: Saver | None, *, stop: Event, told: Event) -> Iterator[None]:
    """Where what is done within fails, leave outputs and checkpoints as a failed run leaves them.

    ``told`` says that a signal ended the run. Raises what says more than the error itself.
    """
    try:
        yield
    except RunInterrupted:
        raise
    except BaseException as error:
        stop.set()  # nobody waits for a server now
        interrupted = told.is_set() or isinstance(error, KeyboardInterrupt)
        _let_go(error, delivery, saver, interrupted=interrupted)
        raise


def _let_go(error: BaseException, delivery: Delivery, saver: Saver | None, *, interrupted: bool) -> None:
    program = isinstance(error, DeepFakerError) and not isinstance(error, (OutputError, CheckpointError))
    if saver is None or program:
        delivery.abort()
        if saver is not None:
            saver.dropped()
        return
    with _undisturbed(wanted=interrupted):
        saver.leave()
        if saver.begun and interrupted:
            raise saver.broken_off(error) from (None if isinstance(error, KeyboardInterrupt) else error)
    if isinstance(error, OutputError) and saver.begun:
        raise saver.how_to_go_on(error) from error.__cause__


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage in cycles less often: what goes row by row makes many small tuples, and no cycles.

    The reference engine takes 7 % longer where they are looked at again and again.
    """
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def stopped_by_signals(stop: Event, told: Event, *, wanted: bool) -> Iterator[None]:
    """Let the first interrupt (or SIGTERM) stop the run in good order; the second one as usual.

    ``told`` is set by a signal only; ``stop`` by a failure, too.
    """
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if told.is_set():
            raise KeyboardInterrupt
        told.set()
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _undisturbed(*, wanted: bool) -> Iterator[None]:
    """Let no further interrupt come between a run that is interrupted and what it says of that."""
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
