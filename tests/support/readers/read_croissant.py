"""What mlcroissant says of a folder: errors and warnings, and how many records each set yields."""

import json
import sys
from collections import Counter

import mlcroissant


def main(file: str) -> None:
    """Validate, then read every record set."""
    data = mlcroissant.Dataset(jsonld=file)
    issues = data.metadata.ctx.issues
    records = {each.id: sum(1 for _ in data.records(each.id)) for each in data.metadata.record_sets}
    first = {each.id: sorted(next(iter(data.records(each.id)), {})) for each in data.metadata.record_sets}
    said = {"errors": sorted(issues.errors), "warnings": sorted(issues.warnings)}
    print(
        json.dumps({**said, "records": records, "fields": first, "kinds": Counter(map(len, first.values()))})
    )


main(*sys.argv[1:])
