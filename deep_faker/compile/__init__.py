"""Flows as Python functions → flows as tables: source → graph → typed graph → `Plan`."""

from __future__ import annotations

from deep_faker.compile.arriving import filled as filled
from deep_faker.compile.arriving import flows_at as flows_at
from deep_faker.compile.arriving import starts_per_step as starts_per_step
from deep_faker.compile.declare_flow import FlowDeclaration as FlowDeclaration
from deep_faker.compile.declare_flow import declare_flow as declare_flow
from deep_faker.compile.initial import initial_specs as initial_specs
from deep_faker.compile.pipeline import compile_plan as compile_plan
