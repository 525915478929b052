"""What pm4py makes of an OCEL 2.0 log: counts of all that is in it, and the schema's constraints that fail."""

import json
import sys

import pm4py
from pm4py.objects.ocel.validation import ocel20_rel_validation


def main(file: str) -> None:
    """Read a log, JSON or SQLite."""
    is_json = file.endswith(".json")
    log = pm4py.read_ocel2_json(file) if is_json else pm4py.read_ocel2_sqlite(file)
    out = {
        "events": log.events["ocel:activity"].value_counts().to_dict(),
        "objects": log.objects["ocel:type"].value_counts().to_dict(),
        "relations": len(log.relations),
        "links": len(log.o2o),
        "changes": log.object_changes["ocel:field"].value_counts().to_dict(),
        "unsatisfied": [] if is_json else sorted(ocel20_rel_validation.apply(file)[1]),
    }
    print(json.dumps(out))


main(*sys.argv[1:])
