# Two commands do everything on a machine with Python 3.11 and make:
#   make demo    a sandbox, its data, a signed order, and the decrypted file
#   make test    the whole suite, on SQLite and on PostgreSQL
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint check clean help
help:
	@sed -n '1,3p' Makefile | cut -c3-

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/smt-ws demo $(DEMO)

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile $(TESTS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

clean:
	rm -rf $(VENV) sandbox build dist *.egg-info
