PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo study tutorial test fuzz chaos repeat bench format licences lock

demo: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/kidneyct demo

study: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/kidneyct study

tutorial: .venv/installed
	$(BIN)/python -m benchmarks.tutorial

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

fuzz: EXAMPLES ?= 2000
fuzz: .venv/installed
	FUZZ=$(EXAMPLES) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m fuzz --hypothesis-show-statistics

chaos: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=src:tests $(BIN)/python benchmarks/chaos.py

repeat: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.repeat

bench: SIZE ?= cpu
bench: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks --size $(SIZE)

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

licences: .venv/installed
	$(BIN)/python .github/licences.py

# The SHA-256 of every file of the releases in constraints.txt, which pip checks before it installs one.
lock:
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --disable-pip-version-check -q uv==0.13.9
	.venv/lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra test --extra app --constraint constraints.txt pyproject.toml -o requirements.lock

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	touch $@
