"""`deepfaker providers`: every provider of both libraries, and none fails."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from mimesis.providers import BaseDataProvider

from deep_faker.errors import SettingsError
from deep_faker.values import catalogue
from deep_faker.values.catalogue import entries
from deep_faker.values.library.libraries import faker_generator, mimesis_generic

# Faker's own methods that make nothing without arguments, or without another package.
WITH_ARGUMENTS = {"bank", "enum", "image", "xml"}
# Written by what writes CSV or JSON, as slowly: `test_providers_distribution.py` makes them.
WRITTEN_ALIKE = {"dsv", "json_bytes", "psv", "tsv"}


def has_data(name, locale):
    """Whether a method is one of a provider that the locale has of its own; methods of ours have no provider."""
    method = getattr(faker_generator(locale), name, None)
    return type(getattr(method, "__self__", None)).__module__.endswith(f".{locale}")


@pytest.mark.parametrize("locale", ["en_US", "ja_JP", "de_DE", "fr_FR", "pt_BR", "es_ES"])
def test_every_provider_of_faker(locale, monkeypatch):
    """All of them in English; elsewhere those of the providers that have data of the locale."""
    names = catalogue.provider_names(locale)
    assert WRITTEN_ALIKE <= {*names}
    names = [
        name for name in names if (name not in WRITTEN_ALIKE if locale == "en_US" else has_data(name, locale))
    ]
    monkeypatch.setattr(catalogue, "provider_names", lambda _: names)
    found = list(entries(locale=locale))
    assert [entry.name for entry in found] == [*names]
    assert len(found) > (250 if locale == "en_US" else 90)
    assert {entry.how for entry in found} <= {"column", "pool", "row", ""}
    assert {entry.name for entry in found if not entry.how} <= WITH_ARGUMENTS
    by_column = sum(entry.how == "column" for entry in found)
    assert by_column / len(found) > 0.65
    assert found == sorted(found, key=lambda entry: entry.name)


@pytest.mark.parametrize("locale", ["en", "ja"])
def test_every_provider_of_mimesis(locale):
    """All of them in English; elsewhere those that read the data of a locale.

    `test_providers_mimesis.py` makes them in more locales.
    """
    if locale == "en":
        found = list(entries(library="mimesis", locale=locale))
        assert len(found) > 150
    else:
        generic = mimesis_generic(locale)
        localized = [name for name in dir(generic) if isinstance(getattr(generic, name), BaseDataProvider)]
        assert {"address", "person", "text"} <= {*localized}
        found = [
            entry
            for name in localized
            for entry in entries(library="mimesis", locale=locale, pattern=f"{name}.")
        ]
        assert len(found) > 70
    failing = [entry for entry in found if not entry.how]
    assert len(failing) < 20, failing


def test_the_command():
    command = [sys.executable, "-m", "deep_faker", "providers", "credit_card_num"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("credit_card_number ")
    assert "(card_type=None)" in said.stdout
    assert said.stderr == "1 column\n"
    said = subprocess.run(
        [*command, "--json", "--locale", "ja_JP"], capture_output=True, text=True, check=True
    )
    (entry,) = map(json.loads, said.stdout.splitlines())
    assert (entry["name"], entry["how"]) == ("credit_card_number", "column")
    assert said.stderr == ""
    again = subprocess.run(
        [*command, "--json", "--locale", "ja_JP"], capture_output=True, text=True, check=True
    )
    assert again.stdout == said.stdout


@pytest.mark.parametrize(("library", "locale"), [("faker", "de_DX"), ("mimesis", "dee")])
def test_unknown_locales(library, locale):
    with pytest.raises(SettingsError, match="did you mean 'de"):
        next(entries(library=library, locale=locale))
