# make demo   a shop of a million events, as a Parquet data set in demo-output/ (the native engine is compiled first, once)
# make check  the quick tests of every room, without servers, in several processes: what to run while you work
# make test   the whole test suite, in several processes; ARGS="tests/draws/test_ids.py -k dense" runs a part of it in one
# make lint   ruff and mypy
# make readers  the tests of exports with the tools that they are for, in an environment of their own (.readers)
# make bench  the benchmarks, into benchmarks/results/
# Each makes its own virtual environment in .venv, at first use and when pyproject.toml changes: the demo installs the
# package alone, the others what tests and lint need too.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MADE   := $(VENV)/.made
ALONE  := $(VENV)/.installed-alone
STAMP  := $(VENV)/.installed

# uv installs ten times as fast as pip does; the one on the path, else one of our own, else pip
INSTALL = uv=$$(command -v uv || command -v $(BIN)/uv); \
	if [ -n "$$uv" ]; then "$$uv" pip install --quiet --python $(BIN)/python --editable $(1); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable $(1); fi

.PHONY: demo check test lint readers bench clean
.DELETE_ON_ERROR:

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "deep_faker needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	@touch $@

$(ALONE): pyproject.toml | $(MADE)
	@echo "installing deep_faker into $(VENV) (once)"
	@$(call INSTALL,.)
	@touch $@

$(STAMP): pyproject.toml | $(MADE)
	@echo "installing deep_faker and its tools into $(VENV) (once)"
	@$(call INSTALL,'.[dev]')
	@touch $(ALONE) $@

demo: $(ALONE)
	@$(BIN)/deepfaker warm-up || true
	$(BIN)/deepfaker run examples/ecommerce.py --output demo-output --overwrite

check: $(STAMP)
	@$(BIN)/deepfaker warm-up || true
	$(BIN)/python -m pytest -n auto -m "not slow and not server" $(ARGS)

test: $(STAMP)
	@$(BIN)/deepfaker warm-up || true
	$(BIN)/python -m pytest $(or $(ARGS),-n auto)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# pm4py's licence is the AGPL: it is installed here alone, and nothing of ours imports it
.readers/.installed:
	$(PYTHON) -m venv .readers
	.readers/bin/pip install --quiet 'relbench>=3.0.2' 'mlcroissant>=1.1.1' 'meds>=0.4.1' pm4py datasets pyarrow
	@touch $@

readers: $(STAMP) .readers/.installed
	DEEP_FAKER_READERS=$(CURDIR)/.readers/bin/python $(BIN)/python -m pytest tests/exports $(ARGS)

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf $(VENV) demo-output build dist .pytest_cache .mypy_cache .ruff_cache
