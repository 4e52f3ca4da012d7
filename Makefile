# Everything is set up on the way: a virtual environment in .venv, the package in it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check notebooks clean

help:
	@echo "make demo       set up, export the sample, print the tokens, save the chart"
	@echo "make test       set up and run the tests"
	@echo "make check      ruff and mypy"
	@echo "make notebooks  open JupyterLab with the notebooks"
	@echo "make clean      remove what these made"

$(BIN)/python:
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/ready: $(BIN)/python pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/ready-dev: $(BIN)/python pyproject.toml
	@echo "installing what the tests need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/ready $@

demo: .venv/ready
	@rm -rf out/parquet && mkdir -p out
	@echo "1. export data/sample to Parquet"
	@$(BIN)/toolkit export data/sample --to out/parquet
	@echo "2. tokens by model and month"
	@$(BIN)/toolkit tokens out/parquet --every 1mo
	@echo "3. the chart"
	@$(BIN)/toolkit plot token_usage out/parquet --to out/token_usage.png
	@echo
	@echo "Parquet   out/parquet (README.txt there says how to open it)"
	@echo "rejects   out/parquet/rejects"
	@echo "chart     out/token_usage.png"
	@echo "next      $(BIN)/toolkit check data/sample"

test: .venv/ready-dev
	$(BIN)/python -m pytest

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: .venv/ready-dev
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[jupyter]'
	$(BIN)/jupyter lab notebooks

clean:
	rm -rf .venv out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
