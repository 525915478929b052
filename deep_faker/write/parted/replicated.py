"""Entities that all parts have: what became of them in each, put together in one file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from deep_faker.errors import DatasetError, Diagnostic
from deep_faker.write.files.encodings import encoding_of
from deep_faker.write.files.parts import Part, write_part
from deep_faker.write.names import folder_of
from deep_faker.write.parted.receipts import Receipt
from deep_faker.write.protocol import FileReceipt

_JOIN = {"sum": pc.add, "min": pc.min_element_wise, "max": pc.max_element_wise}


class Together:
    """The entities of one type, of all parts; in memory is the table of one part beside the sums.

    >>> whole = Together("Product", {"sold": "sum"})
    >>> whole.add(pa.table({"id": ["a"], "sold": [5]}))
    >>> whole.add(pa.table({"id": ["a"], "sold": [2]}))
    >>> whole.table["sold"].to_pylist()
    [7]
    """

    def __init__(self, name: str, rules: Mapping[str, str]) -> None:
        self._name, self._rules = name, rules
        self.table: pa.Table = pa.table({})

    def add(self, part: pa.Table) -> None:
        """Take the entities of the next part. Raises `DatasetError` where they are not the same."""
        if not self.table.num_columns:
            self.table = part
            return
        if not part.column(0).equals(self.table.column(0)):
            label = f"the keys of {self._name} differ from part to part"
            raise DatasetError(Diagnostic("parts of different worlds", None, label, "make all parts anew"))
        for column, rule in self._rules.items():
            before = self.table[column]
            joined = _JOIN[rule](before, part[column]).cast(before.type)
            place = self.table.column_names.index(column)
            self.table = self.table.set_column(place, self.table.schema.field(column), joined)

    def write(self, folder: Path, receipt: Receipt) -> FileReceipt:
        """Write them as the entities of a run without parts are, into ``folder``. Raises `OSError`."""
        encoding = encoding_of(*receipt.encoding)
        table = f"entities/{self._name}"
        metadata = dict(self.table.schema.metadata or {})
        origin = {**json.loads(metadata.get(b"deep_faker", b"{}")), "table": table}
        schema = self.table.schema.with_metadata({"deep_faker": json.dumps(origin, ensure_ascii=False)})
        name = f"{folder_of(table)}/part-00000{encoding.suffix}"
        written = write_part(Part(folder / name, schema, [self.table], encoding))
        return replace(written, path=name)


def rows_of(files: Iterable[bytes]) -> pa.Table:
    """The rows of a part's files of one type."""
    import pyarrow.parquet as pq  # at use: it loads the clients of all object stores

    return pa.concat_tables([pq.read_table(io.BytesIO(data)) for data in files])
