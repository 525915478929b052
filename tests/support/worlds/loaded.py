"""Imports what a run imports, and runs nothing: for a process from which others are forked, which start fast then."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress

import faker.providers
import mimesis
import polars as pl
import pyarrow.compute
import pyarrow.parquet

import deep_faker
from tests.support.worlds import resume_world

USED = (faker.providers, mimesis, pl, pyarrow.compute, pyarrow.parquet, resume_world)
LEFT = (
    "deep_faker.simulate.native.kernel",
    "deep_faker.simulate.native.machine.compiling",
)  # they load numba

for module in pkgutil.walk_packages(deep_faker.__path__, "deep_faker."):
    if not module.name.startswith(LEFT) and not module.name.endswith("__main__"):
        with suppress(ImportError):  # an extra that is not here
            importlib.import_module(module.name)
for extra in ("psycopg", "pymysql", "confluent_kafka"):
    with suppress(ImportError):
        importlib.import_module(extra)
