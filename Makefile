PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup setup-dev demo test check mutants bench drills clean

setup: .venv/.runtime

setup-dev: .venv/.dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Нужен Python 3.11 или новее") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Ставим зависимости (первый раз это минута-две)…"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Ставим инструменты разработчика…"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# exec: Ctrl-C goes straight to the command, which stops everything it started
demo: setup
	@exec $(BIN)/synkro demo

test: setup-dev
	@$(BIN)/python -m tests

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m tests.orchestration.graph --check
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar transforms/models transforms/tests

# every planted mutant (tests/mutants) in a copy of the tree: the test it names must go red
mutants: setup-dev
	@$(BIN)/python -m tests.mutants

bench: setup-dev
	$(BIN)/python -m bench

# every process killed in every step of a run: about half an hour
drills: setup-dev
	@$(BIN)/python -m tests.orchestration.drill

clean:
	-@[ ! -x $(BIN)/synkro ] || $(BIN)/synkro db down --delete
	rm -rf .venv .synkro build *.egg-info .ruff_cache .mypy_cache .hypothesis
