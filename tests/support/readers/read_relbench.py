"""What RelBench makes of a folder: its tables, and labels as written against labels made anew by their SQL."""

import json
import sys

import pandas as pd
from relbench.load import load_dataset


def main(folder: str) -> None:
    """Compare both label tables of every task and split, row for row."""
    data = load_dataset(folder)
    tables = {name: len(table) for name, table in data.get_db(upto_test_timestamp=False).table_dict.items()}
    labels = {}
    for name in data.get_task_names():
        written, anew = data.load_task(name), data.load_task(name, regenerate=True)
        for split in ("train", "val", "test"):
            ours = written.get_table(split, mask_input_cols=False).df
            theirs = anew.get_table(split, mask_input_cols=False).df
            pd.testing.assert_frame_equal(ours, theirs)
            labels[f"{name}/{split}"] = len(ours)
    print(json.dumps({"tables": tables, "labels": labels}))


main(*sys.argv[1:])
