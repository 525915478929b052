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
from deep_faker.values.library.libraries import mimesis_generic

# Faker's own methods that make nothing without arguments, or without another package.
WITH_ARGUMENTS = {"bank", "enum", "image", "xml"}
# Each is put together of many other methods, all of which are made here themselves: four fifths of the time.
OF_OTHERS = {"csv", "dsv", "json", "json_bytes", "profile", "psv", "pystruct", "tsv"}
WITH_ALL = {"en_US", "ja_JP"}  # the other locales leave those out


@pytest.mark.parametrize("locale", ["en_US", "ja_JP", "de_DE", "fr_FR", "pt_BR", "es_ES"])
def test_every_provider_of_faker(locale, monkeypatch):
    names = catalogue.provider_names(locale)
    assert OF_OTHERS <= {*names}
    if locale not in WITH_ALL:
        names = [name for name in names if name not in OF_OTHERS]
        monkeypatch.setattr(catalogue, "provider_names", lambda _: names)
    found = list(entries(locale=locale))
    assert [entry.name for entry in found] == [*names]
    assert len(found) > 250
    assert {entry.how for entry in found} <= {"column", "pool", "row", ""}
    assert {entry.name for entry in found if not entry.how} <= WITH_ARGUMENTS
    by_column = sum(entry.how == "column" for entry in found)
    assert by_column / len(found) > 0.65
    assert found == sorted(found, key=lambda entry: entry.name)


@pytest.mark.parametrize("locale", ["en", "de", "ja", "pt-br", "ru"])
def test_every_provider_of_mimesis(locale):
    """All of them in English; elsewhere those that read the data of a locale."""
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
