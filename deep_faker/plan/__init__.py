"""The waist of the house: what the compiler hands to the engines, and what they hand on.

A :class:`Plan` is plain data. Each flow is a table of states; a state is a short list of
operations on named locals, closed by one terminator. Expressions stay Python text over locals and
constants, so that one text serves the engines and the reader alike.
"""

from __future__ import annotations

from deep_faker.plan.ops import Apply as Apply
from deep_faker.plan.ops import Branch as Branch
from deep_faker.plan.ops import Change as Change
from deep_faker.plan.ops import Clock as Clock
from deep_faker.plan.ops import Count as Count
from deep_faker.plan.ops import Delay as Delay
from deep_faker.plan.ops import Draw as Draw
from deep_faker.plan.ops import Early as Early
from deep_faker.plan.ops import Emit as Emit
from deep_faker.plan.ops import End as End
from deep_faker.plan.ops import Given as Given
from deep_faker.plan.ops import Goto as Goto
from deep_faker.plan.ops import Held as Held
from deep_faker.plan.ops import Hold as Hold
from deep_faker.plan.ops import Let as Let
from deep_faker.plan.ops import Need as Need
from deep_faker.plan.ops import Operation as Operation
from deep_faker.plan.ops import Pick as Pick
from deep_faker.plan.ops import Read as Read
from deep_faker.plan.ops import Release as Release
from deep_faker.plan.ops import Save as Save
from deep_faker.plan.ops import Session as Session
from deep_faker.plan.ops import State as State
from deep_faker.plan.ops import Terminator as Terminator
from deep_faker.plan.ops import Turn as Turn
from deep_faker.plan.ops import Use as Use
from deep_faker.plan.ops import Wait as Wait
from deep_faker.plan.tables import Condition as Condition
from deep_faker.plan.tables import EntityPlan as EntityPlan
from deep_faker.plan.tables import FieldDraws as FieldDraws
from deep_faker.plan.tables import Filter as Filter
from deep_faker.plan.tables import FlowTable as FlowTable
from deep_faker.plan.tables import Now as Now
from deep_faker.plan.tables import Plan as Plan
from deep_faker.plan.tables import Site as Site
from deep_faker.plan.tables import StateColumn as StateColumn
from deep_faker.plan.trace import OUTCOMES as OUTCOMES
from deep_faker.plan.trace import DecisionRows as DecisionRows
from deep_faker.plan.trace import Drawn as Drawn
from deep_faker.plan.trace import EndedFlows as EndedFlows
from deep_faker.plan.trace import NewKeys as NewKeys
from deep_faker.plan.trace import RawTrace as RawTrace
from deep_faker.plan.trace import SiteRows as SiteRows
from deep_faker.plan.trace import Trace as Trace
from deep_faker.plan.trace import Versions as Versions
from deep_faker.plan.types import Array as Array
from deep_faker.plan.types import Expr as Expr
from deep_faker.plan.types import Kind as Kind
from deep_faker.plan.types import Type as Type
