"""Batches for training loops: `torch`, `huggingface` and `ray`, a module each, imported with its package."""

from __future__ import annotations

from deep_faker.errors import Diagnostic


def missing(package: str, extra: str, error: ImportError) -> ImportError:
    """The error for a package that is not installed.

    >>> print(missing("ray", "ray", ImportError("No module named 'ray'")))
    error: this loader needs ray
      No module named 'ray'
      help: pip install "deep-faker[ray]"
    """
    mend = f'pip install "deep-faker[{extra}]"'
    return ImportError(str(Diagnostic(f"this loader needs {package}", None, str(error), mend)))
