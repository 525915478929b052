"""The directly-follows graph that pm4py finds in a flat log."""

import json
import sys

import pandas as pd
import pm4py


def main(file: str) -> None:
    """Read the Parquet file as it is."""
    follows, starts, ends = pm4py.discover_dfg(pd.read_parquet(file))
    edges = [[one, other, count] for (one, other), count in follows.items()]
    print(json.dumps({"edges": sorted(edges), "starts": starts, "ends": ends}))


main(*sys.argv[1:])
