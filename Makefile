# Two commands matter: `make demo` shows callctl at work on real Asterisk cities, `make test` proves it.
# Both bring the machine up first (scripts/setup says what that means); everything they make lies in this folder,
# except the apt packages it names on the screen.

BIN := .venv/bin
export PYTHONUTF8 := 1

.PHONY: help setup python demo test bench lint tidy clean

help:
	@echo "make demo    set up, then three cities live: without assistance, then with it (FREESWITCH=<folder>: one of them FreeSWITCH)"
	@echo "make test    set up, then lint and every test, real Asterisk cities included"
	@echo "make bench   set up, then the speed figures, written to build/bench.json"
	@echo "make tidy    lint and the rules of docs/STYLE.md, in seconds"
	@echo "make setup   only set up;  make lint   only ruff, mypy and import-linter"
	@echo "make clean   remove all that make has made here (.venv, .cache, build)"

setup:
	@scripts/setup

python:
	@scripts/setup --python

demo: setup
	@$(if $(FREESWITCH),CALLCTL_FREESWITCH=$(FREESWITCH)) $(BIN)/callctl demo $(if $(FREESWITCH),--freeswitch xuzhou)

bench: setup
	@$(BIN)/python bench/run.py

lint: python
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tidy: lint
	$(BIN)/pytest tests/test_tidy.py

# The real cities are many processes each: two of those tests at once would only disturb each other. They live in real
# time, so one that a busy machine disturbed may try once more, on fresh cities; what fails twice has failed.
test: setup lint
	$(BIN)/pytest -m "not real" -n 2
	$(BIN)/pytest -m real -v || $(BIN)/pytest -m real -v --last-failed

clean:
	rm -rf .venv .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
