"""Flows as Python functions → flows as tables: source → graph → typed graph → `Plan`."""

from __future__ import annotations

from deep_faker.compiler.declare import FlowDeclaration as FlowDeclaration
from deep_faker.compiler.declare import declare_flow as declare_flow
from deep_faker.compiler.pipeline import compile_plan as compile_plan
