# Each target first sets up what it needs: a virtual environment in .venv, with the package.
PYTHON ?= python3
BIN := .venv/bin
KERNEL := $(wildcard toolkit/kernel/Cargo.* toolkit/kernel/src/*.rs)

# Each process of the tests compiles the package otherwise.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check notebooks docs reference licences wheel bench crashes gallery outputs clean

# This also succeeds without Rust or without the crates. A kernel compiled from older
# source is removed first, so that it cannot be used with this source.
define install
	@if command -v cargo >/dev/null; \
		then echo "compiling the kernel (a minute or two, once)"; \
		else echo "no cargo: using the decoder in Python; with Rust 1.89 a faster one is compiled"; fi
	@rm -f toolkit/_kernel*.so
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.$(1)'
	@$(BIN)/toolkit --version
endef

help:
	@echo "make demo       set up, export the sample, print the tokens, save a chart"
	@echo "make test       set up and run the tests"
	@echo "make check      run ruff and mypy"
	@echo "make notebooks  open the notebooks in JupyterLab"
	@echo "make docs       build the docs as a site in out/site"
	@echo "make reference  write the pandera models and the reference pages from the code"
	@echo "make licences   write the licences of the crates in the kernel (needs cargo)"
	@echo "make gallery    draw every chart and the report of the README, to look at and commit"
	@echo "make outputs    execute the notebooks and store their outputs"
	@echo "make wheel      build a source distribution and a wheel, which needs no Rust"
	@echo "make bench      measure speed beside other engines (some minutes, 5 GB)"
	@echo "make crashes    fail every system call of an export once (strace, half an hour)"
	@echo "make clean      remove everything that these commands made"

$(BIN)/python:
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/ready: $(BIN)/python pyproject.toml $(KERNEL)
	$(call install,)
	@touch $@

.venv/ready-dev: $(BIN)/python pyproject.toml $(KERNEL)
	@echo "installing the packages that the tests need"
	$(call install,[dev])
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
	$(BIN)/python -m pytest --numprocesses logical --dist worksteal

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: .venv/ready-dev
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[jupyter]'
	$(BIN)/jupyter lab notebooks

docs: .venv/ready-dev
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "out/site/index.html"

# The wheel is built from the source distribution: that one is then known to be complete.
# The crates that cargo compiled earlier are used again.
wheel: export CARGO_TARGET_DIR ?= $(CURDIR)/toolkit/kernel/target
wheel: $(BIN)/python
	@rm -rf dist
	@$(BIN)/pip install --quiet --disable-pip-version-check build
	@$(BIN)/python -m build --quiet
	@$(BIN)/python -m zipfile --list dist/*.whl | grep 'toolkit/_kernel' >/dev/null \
		&& echo "with the kernel: $$(ls dist/*.whl)" \
		|| echo "without the kernel (needs Rust 1.89 and crates): $$(ls dist/*.whl)"

bench: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks.speed

reference: .venv/ready-dev
	$(BIN)/python -m tests.support.models
	$(BIN)/python -m tests.support.reference

licences: .venv/ready-dev
	@cargo fetch --quiet --manifest-path toolkit/kernel/Cargo.toml
	$(BIN)/python -m tests.support.crates

gallery: .venv/ready-dev
	$(BIN)/python -m tests.support.gallery
	$(BIN)/python -m tests.support.report_picture

outputs: .venv/ready-dev
	$(BIN)/python -m tests.support.notebooks

crashes: .venv/ready-dev
	STREAM_SAMPLES=20000 STREAM_CUTS=200 $(BIN)/python -m pytest tests/reading/test_stream*.py
	$(BIN)/python -m tests.support.crashes

clean:
	rm -rf toolkit/_kernel*.so toolkit/kernel/target
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
