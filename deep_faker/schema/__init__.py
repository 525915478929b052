"""Events, entities and their fields as frozen specs: the only part that knows pydantic."""

from deep_faker.schema.entities import Entity as Entity
from deep_faker.schema.entities import EntitySpec as EntitySpec
from deep_faker.schema.entities import check_state_value as check_state_value
from deep_faker.schema.entities import entity_spec as entity_spec
from deep_faker.schema.entities import is_entity as is_entity
from deep_faker.schema.entities import state_value as state_value
from deep_faker.schema.events import SYS_FIELDS as SYS_FIELDS
from deep_faker.schema.events import BaseEvent as BaseEvent
from deep_faker.schema.events import EventSpec as EventSpec
from deep_faker.schema.events import Rejection as Rejection
from deep_faker.schema.events import event_spec as event_spec
from deep_faker.schema.events import is_event as is_event
from deep_faker.schema.events import validate_row as validate_row
from deep_faker.schema.events import validate_value as validate_value
from deep_faker.schema.fields import MISSING as MISSING
from deep_faker.schema.fields import Field as Field
from deep_faker.schema.fields import FieldSpec as FieldSpec
from deep_faker.schema.fields import StateField as StateField
from deep_faker.schema.fields import StateSpec as StateSpec
from deep_faker.schema.generators import GeneratorSpec as GeneratorSpec
from deep_faker.schema.generators import checked_locale as checked_locale
from deep_faker.schema.kinds import KINDS as KINDS
from deep_faker.schema.kinds import SCALARS as SCALARS
from deep_faker.schema.kinds import Shape as Shape
from deep_faker.schema.kinds import shape_of as shape_of
from deep_faker.schema.written import EventReader as EventReader
