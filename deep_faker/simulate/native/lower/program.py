"""A plan as a program: the layout of its world, and the instructions of its flows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from deep_faker.draws.mix import Draws
from deep_faker.plan import FieldDraws, FlowTable, Plan
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.columns.places import GENERATOR
from deep_faker.simulate.native.escapes import Escape
from deep_faker.simulate.native.lower.assembler import Code, Frame, signed
from deep_faker.simulate.native.lower.flow import FlowLowering
from deep_faker.simulate.native.lower.forms import Forms
from deep_faker.simulate.native.lower.live_code import LiveCode, write_live
from deep_faker.simulate.native.lower.writer import NotLowerableError, SiteWords
from deep_faker.simulate.native.rows import WorldRows
from deep_faker.simulate.native.texts import Words
from deep_faker.spans import Span

MOST_FILTERS = 4096


@dataclass
class FlowProgram:
    """A flow's place in the program.

    ``resumes``: where a flow goes on that waited for the start of a plan state; ``waits``: the instruction
    that ends the wait of a state; ``alive``: locals (masks too) that have a meaning there.
    """

    flow: FlowTable
    frame: Frame
    entry: int
    stored: int
    resumes: dict[int, int]
    waits: dict[int, int]
    alive: dict[int, tuple[str, ...]]


@dataclass
class Program:
    """What the kernel runs, and what Python needs to know of it."""

    plan: Plan
    world: WorldRows
    code: I64
    constants: I64
    registers: int
    flows: list[FlowProgram]
    escapes: list[Escape]
    sites: dict[int, SiteWords]
    wheres: list[tuple[FlowTable, Span | None]]  # of changes: the flow and the span
    forms: Forms = field(default_factory=Forms)  # what `explain` says
    tables: list[I64] = field(default_factory=list)  # arrays that the code points to
    live: LiveCode | None = None  # of the flows that run as generators


def why_not(plan: Plan) -> str | None:
    """Why a plan has no native form at all; None where it may have one."""
    if len(plan.filters) + 2 * len(plan.entities) >= MOST_FILTERS:  # two: see `rows.everybody`
        return f"more than {MOST_FILTERS - 1} selections"
    if plan.settings.decisions:
        return "decisions are logged by numpy"
    return None


def program_of(plan: Plan, draws: Draws, fields: FieldDraws, words: Words) -> Program:
    """Lower a plan. Raises `NotLowerableError` for what the native engine does not take."""
    reason = why_not(plan)
    if reason is not None:
        raise NotLowerableError(reason)
    world = WorldRows(plan)
    _set_defaults(world, words)
    code = Code()
    out = Program(plan, world, np.empty(0, np.int64), np.empty(0, np.int64), 0, [], [], {}, [])
    alive = [flow for flow in plan.flows if flow.live is not None]
    if alive:
        out.live, frame = write_live(alive, plan, world, code, out.escapes, out.forms)
    for flow in plan.flows:
        if flow.live is not None:
            assert out.live is not None
            entry = out.live.resume
            out.flows.append(FlowProgram(flow, frame, entry, 0, {GENERATOR: entry}, {}, {}))
            continue
        lowering = FlowLowering(
            flow, plan, world, draws, fields, words, code, out.escapes, out.wheres, out.tables, out.forms
        )
        lowering.write()
        out.sites |= lowering.sites
        out.flows.append(
            FlowProgram(
                flow,
                lowering.frame,
                lowering.entry,
                lowering.stored,
                lowering.resumes,
                lowering.waits,
                lowering.alive,
            )
        )
    for name, rows in world.entities.items():
        for number, place in rows.judged:
            condition = plan.filters[number].conditions[place]
            what = f"{condition.field} {condition.op}: judged by Python for each entity that may have changed"
            out.forms.python.append((f"selection of {name}", None, what))
    instructions, constants = code.finish()
    out.code = np.array(instructions or [0], np.int64)
    out.constants = np.array([signed(word) for word in constants] or [0], np.int64)
    out.registers = code.registers
    return out


def _set_defaults(world: WorldRows, words: Words) -> None:
    """The words that a new entity begins with, of fields with one default for all."""
    for rows in world.entities.values():
        for state in rows.states.values():
            if state.column.from_field is None and state.column.type.kind != "object":
                word, null = words.word_of(state.column.default, state.type)
                for place in state.values:
                    rows.defaults[place] = word
                for place in state.masks:
                    rows.defaults[place] = null


def forms_of(plan: Plan, draws: Draws, fields: FieldDraws) -> Forms:
    """How a plan runs natively, without making an engine. Raises as `program_of` does."""
    return program_of(plan, draws, fields, Words(plan, draws, fields, _nobody_born)).forms


def _nobody_born(entity: str, _numbers: I64) -> NoReturn:
    raise AssertionError(f"nothing runs: no {entity} was born")
