"""Whether the schemas of the MEDS package take a folder; prints counts of subjects and rows."""

import json
import sys
from pathlib import Path

import meds
import pyarrow.parquet as pq


def main(folder: str) -> None:
    """Validate every file by its schema, and the order that the standard asks for."""
    base = Path(folder)
    out: dict[str, object] = {}
    for file in sorted((base / meds.data_subdirectory).rglob("*.parquet")):
        table = pq.read_table(file, partitioning=None)
        meds.DataSchema.validate(table)
        keys = list(zip(table["subject_id"].to_pylist(), table["time"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        out[file.parent.name] = {"rows": table.num_rows, "subjects": len({key for key, _ in keys})}
    meds.CodeMetadataSchema.validate(pq.read_table(base / meds.code_metadata_filepath))
    splits = pq.read_table(base / meds.subject_splits_filepath)
    meds.SubjectSplitSchema.validate(splits)
    with (base / meds.dataset_metadata_filepath).open() as text:
        meds.DatasetMetadataSchema.validate(json.load(text))
    out["splits"] = sorted(set(splits["split"].to_pylist()))
    for file in sorted((base / "labels").glob("*.parquet")):
        table = pq.read_table(file)
        meds.LabelSchema.validate(table)
        out[file.stem] = table.num_rows
    print(json.dumps(out))


main(*sys.argv[1:])
