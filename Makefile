PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo study test fuzz format

demo: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/kidneyct demo

study: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/kidneyct study

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

fuzz: EXAMPLES ?= 2000
fuzz: .venv/installed
	FUZZ=$(EXAMPLES) PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m fuzz --hypothesis-show-statistics

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@
