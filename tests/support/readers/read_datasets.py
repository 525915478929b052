"""What Hugging Face's `datasets` makes of a folder by its card: rows of each configuration."""

import json
import sys

import datasets


def main(folder: str) -> None:
    """Load every configuration that the card names."""
    out = {}
    for name in datasets.get_dataset_config_names(folder):
        data = datasets.load_dataset(folder, name, split="train")
        out[name] = {"rows": data.num_rows, "columns": data.column_names}
    print(json.dumps(out))


main(*sys.argv[1:])
