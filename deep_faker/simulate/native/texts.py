"""Words ↔ values: text and objects that a run's words stand for, and columns of words as storage arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deep_faker.draws.ids import flow_counter, scramble, texts
from deep_faker.draws.mix import Draws
from deep_faker.plan import Array, FieldDraws, Plan, Type
from deep_faker.plan.storage import one_from_storage, one_to_storage
from deep_faker.simulate.arrays import I64
from deep_faker.simulate.native.lower.assembler import bits_of, float_of
from deep_faker.simulate.native.words import CODE, FIRST, OBJECT, PAYLOAD, SESSION, SHIFT

_FIELD = 40  # bits of an entity's number in the payload of a generated field's word
Births = Callable[[str, I64], tuple[Array, Array, Array]]  # entity, numbers → flow, action, clock


class Objects:
    """The Python objects that words of a run name by their place; the first ``fixed`` are the program's.

    >>> objects = Objects()
    >>> first, second = objects.add([(1, 2), "a text that the plan does not know"])
    >>> objects.all[second & PAYLOAD]
    'a text that the plan does not know'
    """

    def __init__(self) -> None:
        self.all: list[object] = []
        self.fixed = 0

    def keep(self) -> None:
        """Those that are there are the program's."""
        self.fixed = len(self.all)

    def begin_again(self) -> Objects:
        """Only those of the program."""
        new = Objects()
        new.all = self.all[: self.fixed]
        new.fixed = self.fixed
        return new

    def add(self, values: Sequence[object]) -> I64:
        """The words of more objects."""
        first = len(self.all)
        self.all.extend(values)
        return np.arange(first, len(self.all)) | OBJECT << SHIFT


class Words:
    """What the words of one run stand for.

    ``keys``: of entity types whose keys are stored, by number. ``births`` tells when entities were born.
    """

    def __init__(self, plan: Plan, draws: Draws, fields: FieldDraws, births: Births) -> None:
        self.plan, self.draws, self.fields, self.births = plan, draws, fields, births
        self.objects = Objects()
        self.codes: Mapping[str, int] = {text: code for code, text in enumerate(plan.texts)}
        self.entities = tuple(plan.entities)
        self.keys: dict[str, list[object]] = {
            name: [] for name, entity in plan.entities.items() if entity.key_mode == "stored"
        }
        self.generated: dict[str, list[tuple[str, str]]] = {name: [] for name in plan.entities}
        self._texts = np.fromiter([*plan.texts, ""], object, len(plan.texts) + 1)
        self._sessions = draws.id_key("sid")

    def generated_field(self, entity: str, event: str, name: str) -> int:
        """The tag and field of words for a generated field of an entity's birth event, without the number."""
        known = self.generated[entity]
        if (event, name) not in known:
            known.append((event, name))
        tag = FIRST + 2 * self.entities.index(entity) + 1
        return tag << SHIFT | known.index((event, name)) << _FIELD

    # ------------------------------------------------------------ words → values

    def values(self, words: I64, known: Objects | None = None) -> Array:
        """Object array of what text words stand for."""
        tags = words >> SHIFT
        first = int(tags[0]) if len(tags) else CODE
        if len(tags) and not (tags != first).any():
            return self._of_tag(first, words & PAYLOAD, known or self.objects)
        out = np.empty(len(words), object)
        for tag in np.unique(tags).tolist():
            rows = np.flatnonzero(tags == tag)
            out[rows] = self._of_tag(tag, words[rows] & PAYLOAD, known or self.objects)
        return out

    def _of_tag(self, tag: int, payload: I64, known: Objects) -> Array:
        if tag == CODE:
            return self._texts[payload]
        if tag == OBJECT:
            return np.fromiter(map(known.all.__getitem__, payload.tolist()), object, len(payload))
        if tag == SESSION:
            return self.session_ids(payload.view(np.uint64))
        entity = self.entities[(tag - FIRST) >> 1]
        if (tag - FIRST) & 1 == 0:
            return self.keys_of(entity, payload)
        numbers, fields = payload & ((1 << _FIELD) - 1), payload >> _FIELD
        out = np.empty(len(payload), object)
        for field in np.unique(fields).tolist():
            rows = np.flatnonzero(fields == field)
            event, name = self.generated[entity][field]
            out[rows] = self.fields.early(event, name, *self.births(entity, numbers[rows]))[0]
        return out

    def keys_of(self, entity: str, numbers: I64) -> Array:
        """Keys of entities by number, as an object array."""
        if entity in self.keys:
            return np.fromiter(map(self.keys[entity].__getitem__, numbers.tolist()), object, len(numbers))
        return self.fields.keys(entity, numbers)

    def session_ids(self, flow: Array) -> Array:
        """Session ids of flows."""
        draws = self.draws
        letters = scramble(self._sessions, flow_counter(draws.partition, draws.partitions, flow), 8)
        return np.fromiter(texts(letters), object, len(flow))

    def storage(
        self, words: I64, nulls: I64 | None, type_: Type, known: Objects | None = None
    ) -> tuple[Array, Array | None]:
        """Words as a column of a type: the storage array, and the mask of an optional one."""
        mask = None if nulls is None else nulls != 0
        kind = type_.kind
        if kind == "float":
            return words.view(np.float64), mask
        if kind == "bool":
            return words != 0, mask
        if kind == "code":
            return words.astype(np.int32), mask
        if kind == "none":
            return np.full(len(words), None, object), mask
        if kind not in ("str", "object"):
            return words, mask
        if mask is not None and mask.any():
            out = np.full(len(words), "", object)
            rows = np.flatnonzero(~mask)
            out[rows] = self.values(words[rows], known)
            return out, mask
        return self.values(words, known), mask

    # ------------------------------------------------------------ values → words

    def words(self, values: Array, nulls: Array | None, type_: Type) -> tuple[I64, I64 | None]:
        """A column of a type as words, and the words of its mask."""
        mask = None if nulls is None else nulls.astype(np.int64)
        kind = type_.kind
        if kind == "float":
            return np.ascontiguousarray(values, np.float64).view(np.int64), mask
        if kind in ("str", "object"):
            return self.text_words(values.tolist()), mask
        if kind == "none":
            return np.zeros(len(values), np.int64), mask
        return values.astype(np.int64), mask

    def text_words(self, values: list[object]) -> I64:
        """Words of texts and objects: codes where the plan knows the text."""
        codes = self.codes
        out = np.fromiter((codes.get(v, -1) if type(v) is str else -1 for v in values), np.int64, len(values))
        new = np.flatnonzero(out < 0)
        if len(new):
            out[new] = self.objects.add([values[i] for i in new.tolist()])
        return out

    def word_of(self, value: object, type_: Type) -> tuple[int, int]:
        """One Python value as (word, null)."""
        stored, null = one_to_storage(value, type_, self.plan.texts)
        kind = type_.kind
        if kind in ("str", "object"):
            return int(self.text_words([stored])[0]), int(null)
        if kind == "none":
            return 0, int(null)
        return bits_of(stored) if kind == "float" else int(stored), int(null)

    def python_of(self, word: int, null: bool, type_: Type) -> object:
        """One word (``null``: None) as the Python value that it stands for."""
        if null:
            return None
        kind = type_.kind
        if kind in ("str", "object"):
            if word >> SHIFT == OBJECT:
                return self.objects.all[word & PAYLOAD]
            return self.values(np.array([word]))[0]
        value = float_of(word) if kind == "float" else word
        return one_from_storage(value, False, type_, self.plan.texts)
