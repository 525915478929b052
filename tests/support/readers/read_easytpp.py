"""What EasyTPP's own loader makes of a folder; prints counts of sequences and events."""

import json
import sys
from pathlib import Path

from easy_tpp.config_factory.data_config import DataConfig, DataSpecConfig
from easy_tpp.preprocess.data_loader import TPPDataLoader


def main(folder: str) -> None:
    """Load every part through the loader, with its batches."""
    types = json.loads(Path(folder, "event_types.json").read_text())
    places = {"train": "train", "dev": "validation", "test": "test"}
    spec = DataSpecConfig(
        num_event_types=len(types), pad_token_id=len(types), padding_side="right", truncation_side="right"
    )
    files = [f"{folder}/{name}.json" for name in places.values()]
    loader = TPPDataLoader(DataConfig(*files, "json", spec), batch_size=8, shuffle=False)
    out = {}
    for split, name in places.items():
        data = loader.build_input(f"{folder}/{name}.json", "json", split)
        first = next(iter(loader.get_loader(split)))
        out[name] = {
            "sequences": len(data["time_seqs"]),
            "events": sum(len(each) for each in data["time_seqs"]),
            "types": sorted({kind for each in data["type_seqs"] for kind in each}),
            "first": sorted({each[0] for each in data["time_delta_seqs"]}),
            "batch": len(first["time_seqs"] if "time_seqs" in first else next(iter(first.values()))),
        }
    print(json.dumps(out))


main(*sys.argv[1:])
