# Two commands do everything on a machine with Python (3.11 or later) and make:
#   make demo    a sandbox, its data, a signed order, and the decrypted file
#   make test    the whole suite, on SQLite and on PostgreSQL
# The newest Python on the path is taken; `make PYTHON=python3.12 VENV=.venv-3.12 test` names another.
VENV   ?= .venv
# Tests wait for disks and for each other more than they compute: more of them at once than there are cores.
WORKERS ?= 3
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TOOLS  := $(VENV)/.ready-for-tests
PYTHON ?= $(shell .ci/newest-python)

.PHONY: demo test faults fuzz lint check benchmarks clean help
help:
	@sed -n '1,4p' Makefile | cut -c3-

$(READY): setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { .ci/newest-python --explain >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(TOOLS): $(READY)
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/smt-ws demo $(DEMO)

test: $(TOOLS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(TESTS)

# Every process of a running hub is killed again and again, on both stores: a few minutes. Then rounds of random faults,
# each followed by a whole account, until so many kills were survived in all; results add up in build/faults.
KILLS ?= 500
MINUTES ?= 120
faults: $(TOOLS)
	$(BIN)/python -m pytest -m faults --timeout 600 tests/acceptance
	$(BIN)/python tests/faults/campaign.py --store sqlite --kills $(KILLS) --minutes $(MINUTES)
	$(BIN)/python tests/faults/campaign.py --store postgresql --kills $(KILLS) --minutes $(MINUTES)

# Messages of TDSPs with packets at random, each to be decrypted within its bounds; SEED gives other ones.
MESSAGES ?= 5000
SEED ?= $(shell date +%s)
fuzz: $(TOOLS)
	SMT_WS_FUZZ_MESSAGES=$(MESSAGES) SMT_WS_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -s --timeout 0 tests/delivery/test_openpgp_fuzz.py

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

# A tenth of each figure, under five minutes each; benchmarks/README.md has the method and the whole figures.
benchmarks: $(TOOLS)
	for one in accept ping interval_csv packing order_formats green_button load posting agreements; do $(BIN)/python benchmarks/$$one.py || exit 1; done

clean:
	rm -rf $(VENV) .venv-3.* sandbox build dist *.egg-info
