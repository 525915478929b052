"""``python -m deep_faker`` is the command ``deepfaker``."""

from __future__ import annotations

from deep_faker.cli import main

if __name__ == "__main__":
    main()
