"""Realistic, stateful event streams, by the column.

The public names are loaded at first use (PEP 562), so that ``import deep_faker`` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from deep_faker._version import __version__ as __version__

if TYPE_CHECKING:
    from deep_faker.dataset import Dataset as Dataset
    from deep_faker.declare.actions import AddDecay as AddDecay
    from deep_faker.declare.actions import Choice as Choice
    from deep_faker.declare.actions import Exponential as Exponential
    from deep_faker.declare.actions import LogNormal as LogNormal
    from deep_faker.declare.actions import NewEvent as NewEvent
    from deep_faker.declare.actions import Normal as Normal
    from deep_faker.declare.actions import Now as Now
    from deep_faker.declare.actions import Select as Select
    from deep_faker.declare.actions import SetState as SetState
    from deep_faker.declare.actions import Uniform as Uniform
    from deep_faker.declare.context import Context as Context
    from deep_faker.declare.context import FlowContext as FlowContext
    from deep_faker.declare.context import GlobalContext as GlobalContext
    from deep_faker.declare.schema import BaseEvent as BaseEvent
    from deep_faker.declare.schema import Entity as Entity
    from deep_faker.declare.schema import Field as Field
    from deep_faker.declare.schema import StateField as StateField
    from deep_faker.declare.seasons import Daily as Daily
    from deep_faker.declare.seasons import Weekly as Weekly
    from deep_faker.draws.distributions.declared import Beta as Beta
    from deep_faker.draws.distributions.declared import FromFrame as FromFrame
    from deep_faker.draws.distributions.declared import Gamma as Gamma
    from deep_faker.draws.distributions.declared import Pareto as Pareto
    from deep_faker.draws.distributions.declared import Poisson as Poisson
    from deep_faker.draws.distributions.declared import Sequence as Sequence
    from deep_faker.draws.distributions.declared import Zipf as Zipf
    from deep_faker.entity_manager import EntityManager as EntityManager
    from deep_faker.errors import DeepFakerError as DeepFakerError
    from deep_faker.errors import DeepFakerWarning as DeepFakerWarning
    from deep_faker.run.report import RunReport as RunReport
    from deep_faker.simulation import Simulation as Simulation
    from deep_faker.write import DeltaOutput as DeltaOutput
    from deep_faker.write import FileOutput as FileOutput
    from deep_faker.write import KafkaOutput as KafkaOutput
    from deep_faker.write import MySQLOutput as MySQLOutput
    from deep_faker.write import ParquetOutput as ParquetOutput
    from deep_faker.write import PostgresOutput as PostgresOutput
    from deep_faker.write import StdOutOutput as StdOutOutput

# module of the package → the public names that it holds
_PUBLIC = {
    "declare.actions": "AddDecay Choice Exponential LogNormal NewEvent Normal Now Select SetState Uniform",
    "declare.context": "Context FlowContext GlobalContext",
    "dataset": "Dataset",
    "draws.distributions.declared": "Beta FromFrame Gamma Pareto Poisson Sequence Zipf",
    "entity_manager": "EntityManager",
    "errors": "DeepFakerError DeepFakerWarning",
    "write": "DeltaOutput FileOutput KafkaOutput MySQLOutput ParquetOutput PostgresOutput StdOutOutput",
    "run.report": "RunReport",
    "declare.schema": "BaseEvent Entity Field StateField",
    "declare.seasons": "Daily Weekly",
    "simulation": "Simulation",
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = sorted([*_MODULE_OF, "__version__"])  # noqa: PLE0605 - made from the table above


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'deep_faker' has no attribute {name!r}")
    value = getattr(import_module(f"deep_faker.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])


if "IPython" in sys.modules:
    from deep_faker.show.notebook import register as _register

    _register()
