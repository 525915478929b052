"""Greenlets that run user code, so that a pick in the middle of it can suspend it."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from deep_faker.simulate.failures import other_thread

if TYPE_CHECKING:
    from deep_faker.simulate.live.requests import Request


@dataclass(slots=True)
class Returned:
    """How a function ended: with a value, or with an error."""

    value: Any
    error: BaseException | None


class Worker(greenlet):
    """Runs one function after the other; a pick in the middle of one switches out to the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.gr_context = contextvars.copy_context()
        self.asks = False  # the code that runs here waits for an answer
        self.switch()

    def run(self) -> None:
        returned: Returned | None = None
        while True:
            function, args = self._out(returned)
            try:
                returned = Returned(function(*args), None)
            except GreenletExit:
                raise
            except BaseException as error:  # noqa: BLE001 - handed over to the engine, which raises it
                returned = Returned(None, error)
            del function, args

    def go(self, message: object) -> Returned | Request:
        """Run on until the function returns or asks."""
        self.parent = getcurrent()
        answer: Returned | Request = self.switch(message)
        return answer

    def ask(self, request: Request) -> int:
        """Called by the code that runs here: suspend it until the engine has answered."""
        if getcurrent() is not self:
            raise other_thread()
        self.asks = True
        answer: int = self._out(request)
        self.asks = False
        return answer

    def leave(self) -> None:
        """Nobody will answer: the code that asks unwinds, and this worker is done."""
        self.parent = getcurrent()
        self.throw(GreenletExit)

    def _out(self, message: object) -> Any:
        assert self.parent is not None
        return self.parent.switch(message)
