# make quickstart: install into .venv and run the main job. make test: install and run the tests.
PYTHON ?= python3
VENV ?= .venv
OUT ?= quickstart-out
STAMP := $(VENV)/installed

.PHONY: quickstart test install clean

quickstart: install
	$(VENV)/bin/qcutsim quickstart --out $(OUT)

test: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n auto

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[all]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) quickstart-out
