PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup setup-dev demo test assurance check check-types check-sql check-style check-imports check-graph check-policies mutants bench drills clean

setup: .venv/.runtime

setup-dev: .venv/.dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

# --no-deps: the lock is whole (pip check, in make check), and with hashes pip takes no extra of a library for pinned
.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing dependencies (a minute or two the first time)…"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing the developer's tools…"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock
	@touch $@

# exec: Ctrl-C goes straight to the command, which stops everything it started
demo: setup
	@exec $(BIN)/synkro demo

# a part of it: make test ONLY=app, or a file
test: setup-dev
	@$(BIN)/python -m tests $(ONLY)

# the whole product, an hour: make assurance ONLY=ingestion takes an area or a line; the same command resumes
assurance: setup-dev
	@$(BIN)/python -m tests.assurance $(ONLY)

# the tools beside each other: mypy and sqlfluff take most of the time, one processor each
check: setup-dev
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target check-types check-sql check-style check-imports check-graph check-policies

check-types:
	$(BIN)/mypy
check-sql:
	$(BIN)/sqlfluff lint --processes 1 --disable-progress-bar transforms/models transforms/tests
check-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
check-imports:
	$(BIN)/pip check
	$(BIN)/lint-imports
check-graph:
	$(BIN)/python -m tests.orchestration.graph --check

check-policies:
	$(BIN)/python -m tests.policies

# every planted mutant (tests/mutants) in a copy of the tree: the test it names must go red
mutants: setup-dev
	@$(BIN)/python -m tests.mutants

bench: setup-dev
	$(BIN)/python -m bench

# every process killed in every step of a run: about half an hour
drills: setup-dev
	@$(BIN)/python -m tests.chaos.kill_matrix

clean:
	-@[ ! -x $(BIN)/synkro ] || $(BIN)/synkro db down --delete
	rm -rf .venv .synkro build *.egg-info .ruff_cache .mypy_cache .hypothesis
