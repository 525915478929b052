"""What HoTPP's own data set makes of a folder; prints counts of sequences and events."""

import json
import sys

from hotpp.data.dataset import HotppDataset


def main(folder: str) -> None:
    """Iterate over every part."""
    out = {}
    for part in ("train", "val", "test"):
        data = HotppDataset(f"{folder}/{part}.parquet")
        rows = list(data)
        features = [row[0] if isinstance(row, tuple) else row for row in rows]
        out[part] = {
            "sequences": len(data),
            "events": sum(len(each["labels"]) for each in features),
            "rising": all(bool((each["timestamps"].diff() >= 0).all()) for each in features),
            "columns": sorted(features[0]),
        }
    print(json.dumps(out))


main(*sys.argv[1:])
