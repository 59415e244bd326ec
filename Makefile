# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install drill demo test check format bench clean

install: $(STAMP)

# torch first and with pip: a later, larger build is fetched if another package asks for it before.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: install
	$(BIN)/byeori demo --output demo-run --overwrite

# One thread a worker: tiny models gain nothing from more, and two workers share two cores.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: install
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

# Trainings killed and met by faults at random, beside ones that never were: three quarters of an hour.
drill: install
	$(BIN)/python -m benchmarks.drill
	$(BIN)/python -m benchmarks.drill_serving

bench: install
	$(BIN)/python -m benchmarks.train
	$(BIN)/python -m benchmarks.predict

clean:
	rm -rf $(VENV) demo-run build dist src/*.egg-info
