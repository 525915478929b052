"""Plain values as YAML, the little of it that manifests and cards need."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def yaml_text(value: Mapping[str, object]) -> str:
    """A mapping of texts, numbers, lists and mappings as YAML; texts of several lines are blocks.

    >>> value = {"name": "shop", "sizes": [1, 2], "sql": "SELECT 1\\nFROM x", "of": {"a b": None}}
    >>> print(yaml_text(value), end="")
    name: shop
    sizes:
    - 1
    - 2
    sql: |-
      SELECT 1
      FROM x
    of:
      "a b": null
    """
    return "".join(f"{line}\n" for line in _mapping(value))


def _mapping(value: Mapping[str, object]) -> list[str]:
    lines = []
    for name, each in value.items():
        head = f"{_scalar(name)}:"
        if isinstance(each, Mapping) and each:
            lines += [head, *(f"  {line}" for line in _mapping(each))]
        elif isinstance(each, (list, tuple)) and each:
            lines += [head, *(line for item in each for line in _item(item))]
        elif isinstance(each, str) and "\n" in each:
            lines += [f"{head} |-", *(f"  {line}".rstrip() for line in each.splitlines())]
        else:
            lines.append(f"{head} {_scalar(each)}")
    return lines


def _item(value: object) -> list[str]:
    if isinstance(value, Mapping) and value:
        first, *rest = _mapping(value)
        return [f"- {first}", *(f"  {line}" for line in rest)]
    if isinstance(value, (list, tuple)) and value:
        return [f"- [{', '.join(map(_scalar, value))}]"]
    return [f"- {_scalar(value)}"]


def _scalar(value: object) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)  # of which YAML is a superset
