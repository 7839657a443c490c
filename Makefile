# Two commands matter: `make demo` shows callctl at work on real Asterisk cities, `make test` proves it.
# Both bring the machine up first (scripts/setup says what that means); everything they make lies in this folder,
# except the apt packages it names on the screen.

BIN := .venv/bin
export PYTHONUTF8 := 1
# Where it is set, each of the hundreds of processes that the tests start would compile callctl anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup python demo test bench lint tidy mutants assets clean

help:
	@echo "make demo    set up, then three cities live: without assistance, then with it (FREESWITCH=<folder>: one of them FreeSWITCH)"
	@echo "make test    set up, then lint and every test, real Asterisk cities included"
	@echo "make bench   set up, then the speed figures, written to build/bench.json"
	@echo "make tidy    lint and the rules of docs/STYLE.md, in seconds"
	@echo "make mutants known wrong versions of callctl, and the test that catches each"
	@echo "make assets  build the console's scripts and styles anew (needs node and npm; only after a change in assets/)"
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

# The real cities live in real time and mostly wait: two tests at once, each on cities and addresses of its own; those that
# keep the whole machine busy come one after the other (tests/side_by_side.py). One that a busy machine disturbed may
# try once more, alone, on fresh cities; what fails twice has failed.
test: setup lint
	$(BIN)/pytest -m "not real" -n 2
	$(BIN)/pytest -m real -v -n 2 --dist loadscope || $(BIN)/pytest -m real -v --last-failed

mutants: python
	$(BIN)/python -m tests.mutants.run

# What the pages load is built here and committed: nobody needs node to install or to run callctl.
assets:
	cd assets && npm ci --no-audit --no-fund && node build.mjs

clean:
	rm -rf .venv .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
