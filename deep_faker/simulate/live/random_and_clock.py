"""The random numbers and clocks that a live flow sees in place of the process's own.

Each run makes its own set, so nothing outside the flows of that run changes: a shim draws from, and
tells the time of, whichever flow of its run is being advanced.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import threading
import time
import types
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from deep_faker.declare.context import Selection
from deep_faker.declare.foreign import refusal
from deep_faker.draws.random_module import RANDOM_FUNCTIONS, KeyedRandom
from deep_faker.expressions.rows import stable_hash
from deep_faker.plan.storage import EPOCH
from deep_faker.simulate.failures import not_keyed, sleeps

if TYPE_CHECKING:
    from shortuuid import ShortUUID

_RANDOM = [name for name in RANDOM_FUNCTIONS if hasattr(random, name)]


class Source(Protocol):
    """What the shims ask of the run: the flow that is being advanced."""

    def draw(self) -> int:
        """The flow's next 64-bit draw."""
        ...

    def micros(self) -> int:
        """The flow's clock."""
        ...

    def turn(self) -> None:
        """The flow goes round a loop once more."""
        ...


class Forbidden:
    """Something whose numbers do not come from the simulation's seed: any use raises (F3)."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        why, mend = refusal(self._name)[1:]
        raise not_keyed(self._name, why, mend)

    __call__ = __iter__ = __getitem__ = __setattr__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()


class Namespace:
    """A module whose attributes are seen through a translation, some of them replaced."""

    def __init__(
        self,
        module: types.ModuleType,
        replacements: dict[str, Any],
        translate: Callable[[object], object] = lambda value: value,
    ) -> None:
        self.__dict__.update(_module=module, _replacements=replacements, _translate=translate)

    def __getattr__(self, name: str) -> Any:
        replacements: dict[str, Any] = self._replacements
        return replacements[name] if name in replacements else self._translate(getattr(self._module, name))

    def __setattr__(self, name: str, value: object) -> None:
        self._replacements[name] = value

    def __dir__(self) -> list[str]:
        return dir(self._module)

    def __repr__(self) -> str:
        return repr(self._module)


class Shims:
    """Replacements by identity (``table``) and by module (``modules``)."""

    def __init__(self, source: Source, translate: Callable[[object], object]) -> None:
        self.source = source
        self.table: dict[int, object] = {id(hash): stable_hash}
        self.modules: dict[str, Namespace] = {}
        self._translate = translate
        self._random()
        self._uuid()
        self._times()
        for module in (os, threading):
            self._add(module, {})

    def _add(self, module: types.ModuleType, shims: dict[str, Any]) -> None:
        self.modules[module.__name__] = Namespace(module, shims, self._translate)
        for name, value in shims.items():
            if hasattr(module, name):
                self.table[id(getattr(module, name))] = value

    # ------------------------------------------------ random, uuid, shortuuid

    def _random(self) -> None:
        shims: dict[str, Any] = {name: self._drawn(name) for name in _RANDOM}
        for name in ("choice", "choices", "sample"):
            shims[name] = self._of_list(shims[name])
        shims["seed"] = shims["setstate"] = shims["getstate"] = Forbidden("random.seed")
        shims["SystemRandom"] = Forbidden("random.SystemRandom")
        shims["Random"] = lambda *seed: random.Random(*seed) if seed else KeyedRandom(self.source.draw())
        for name in ("binomialvariate",):  # of later versions of Python
            if hasattr(random, name):
                shims[name] = lambda *args, name=name, **kw: getattr(KeyedRandom(self.source.draw()), name)(
                    *args, **kw
                )
        self._add(random, shims)
        # `random.random` and its like are methods of one hidden instance; a user's own instance
        # would make numbers depend on the order in which flows run, so it draws from the flow too.
        self.random_instance = Namespace(random, {**shims, "Random": random.Random})

    def _drawn(self, name: str) -> Callable[..., Any]:
        function, source = RANDOM_FUNCTIONS[name].scalar, self.source

        def drawn(*args: Any, **kwargs: Any) -> Any:
            return function(source.draw(), *args, **kwargs)

        drawn.__name__ = drawn.__qualname__ = name
        return drawn

    def _of_list(self, function: Callable[..., object]) -> Callable[..., object]:
        """[0] of a selection picks an entity; choosing from it only looks."""

        def chosen(population: Any, *args: Any, **kwargs: Any) -> Any:
            return function(
                list(population) if isinstance(population, Selection) else population, *args, **kwargs
            )

        return chosen

    def _uuid(self) -> None:
        uuid4 = self._drawn("uuid4")
        self._add(uuid, {"uuid4": uuid4, "uuid1": lambda *_, **__: uuid.UUID(int=uuid4().int, version=1)})

    def shortuuid(self, instance: ShortUUID) -> ShortUUID:
        """A twin that draws from the flow."""
        return self._keyed_shortuuid()(instance.get_alphabet())

    def _keyed_shortuuid(self) -> type[ShortUUID]:
        """The class of such twins."""
        import shortuuid

        source = self.source
        whole = self._drawn("shortuuid.uuid")
        some = self._drawn("shortuuid.random")
        standard = shortuuid.ShortUUID().get_alphabet()

        class Keyed(shortuuid.ShortUUID):
            def uuid(self, name: str | None = None, pad_length: int | None = None) -> str:
                if self.get_alphabet() == standard and name is None:
                    return str(whole(pad_length=22 if pad_length is None else pad_length))
                return str(super().uuid(name, pad_length) if name else self.encode(uuid4(), pad_length))

            def random(self, length: int | None = None) -> str:
                letters = self.get_alphabet()
                if letters == standard:
                    return str(some(length=length))
                keyed = KeyedRandom(source.draw())
                return "".join(
                    keyed.choice(letters) for _ in range(self._length if length is None else length)
                )

        uuid4 = self._drawn("uuid4")
        return Keyed

    def use_shortuuid(self) -> None:
        """Called once the package is seen: it is not imported for those who do without."""
        if "shortuuid" in self.modules:
            return
        import shortuuid

        keyed = self._keyed_shortuuid()
        one = keyed()
        shims = {"uuid": one.uuid, "random": one.random, "ShortUUID": keyed}
        self.modules["shortuuid"] = Namespace(shortuuid, shims, self._translate)
        self.table[id(shortuuid.ShortUUID)] = keyed

    # ------------------------------------------------ clocks

    def _times(self) -> None:
        source = self.source
        datetime_, date_ = clock_classes(source)
        self._add(dt, {"datetime": datetime_, "date": date_})

        def seconds() -> float:
            return source.micros() / 1_000_000

        def nanos() -> int:
            return source.micros() * 1000

        def struct(given: float | None = None) -> time.struct_time:
            return time.gmtime(seconds() if given is None else given)

        def sleep(_: float) -> NoReturn:
            raise sleeps()

        shims: dict[str, Any] = dict.fromkeys(("time", "monotonic", "perf_counter", "process_time"), seconds)
        shims |= dict.fromkeys(("time_ns", "monotonic_ns", "perf_counter_ns", "process_time_ns"), nanos)
        shims |= {"gmtime": struct, "localtime": struct, "sleep": sleep}
        shims["strftime"] = lambda format, t=None: time.strftime(format, struct() if t is None else t)  # noqa: A006
        shims["ctime"] = lambda given=None: time.asctime(struct(given))
        shims["asctime"] = lambda at=None: time.asctime(struct() if at is None else at)
        self._add(time, shims)


def clock_classes(source: Source) -> tuple[type, type]:
    """Stand-ins for `datetime.datetime` and `datetime.date` that read the flow's clock.

    They construct plain datetimes and dates, and plain ones are instances of them.
    """

    def instant() -> dt.datetime:
        return EPOCH + dt.timedelta(microseconds=source.micros())

    class Alike(type):
        real: type

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, cls.real)

        def __subclasscheck__(cls, other: type) -> bool:
            return other is cls or issubclass(other, cls.real)

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return cls.real(*args, **kwargs)

        def __eq__(cls, other: object) -> bool:
            return other is cls or other is cls.real

        def __hash__(cls) -> int:
            return hash(cls.real)

        def __getattribute__(cls, name: str) -> Any:
            members = type.__getattribute__(cls, "__dict__")
            if name in members or name in ("real", "__class__"):
                return type.__getattribute__(cls, name)
            return getattr(type.__getattribute__(cls, "real"), name)

    class Datetime(dt.datetime, metaclass=Alike):
        real = dt.datetime

        @staticmethod
        def now(tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]  # never an instance of this class
            return instant() if tz is None else instant().replace(tzinfo=dt.UTC).astimezone(tz)

        @staticmethod
        def utcnow() -> dt.datetime:  # type: ignore[override]
            return instant()

        @staticmethod
        def today() -> dt.datetime:  # type: ignore[override]
            return instant()

    class Date(dt.date, metaclass=Alike):
        real = dt.date

        @staticmethod
        def today() -> dt.date:  # type: ignore[override]
            return instant().date()

    return Datetime, Date
