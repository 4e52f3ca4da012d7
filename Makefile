# Everything is set up on the way: a virtual environment in .venv, the package in it.
PYTHON ?= python3
BIN := .venv/bin
KERNEL := $(wildcard toolkit/kernel/Cargo.* toolkit/kernel/src/*.rs)

.PHONY: help demo test check notebooks docs wheel bench crashes gallery clean

# Without Rust, or without the crates, this succeeds too. A kernel that was compiled from
# older source is removed first: it must not decode for this one.
define install
	@if command -v cargo >/dev/null; \
		then echo "compiling the kernel (a minute or two, once)"; \
		else echo "no cargo: the decoder is plain Python; Rust 1.89 brings a faster one"; fi
	@rm -f toolkit/_kernel*.so
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.$(1)'
	@$(BIN)/toolkit --version
endef

help:
	@echo "make demo       set up, export the sample, print the tokens, save the chart"
	@echo "make test       set up and run the tests"
	@echo "make check      ruff and mypy"
	@echo "make notebooks  open JupyterLab with the notebooks"
	@echo "make docs       build the site of the docs in out/site"
	@echo "make wheel      build dist/*.whl; where it is installed, Rust is not needed"
	@echo "make bench      measure against other engines"
	@echo "make gallery    draw every chart under every condition, into docs and out/gallery"
	@echo "make crashes    let every call of an export fail once (strace, half an hour)"
	@echo "make clean      remove what these made"

$(BIN)/python:
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/ready: $(BIN)/python pyproject.toml $(KERNEL)
	$(call install,)
	@touch $@

.venv/ready-dev: $(BIN)/python pyproject.toml $(KERNEL)
	@echo "installing what the tests need"
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
	$(BIN)/python -m pytest --numprocesses logical

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

# What an earlier build left in build/ must not get into this wheel.
wheel: $(BIN)/python
	@rm -rf build dist
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@$(BIN)/python -m zipfile --list dist/*.whl | grep -q 'toolkit/_kernel.*\.so' \
		&& echo "with the kernel: $$(ls dist/*.whl)" \
		|| echo "without the kernel (needs Rust 1.89 and crates): $$(ls dist/*.whl)"

bench: .venv/ready-dev
	$(BIN)/python tests/benchmarks/engines.py
	$(BIN)/python tests/benchmarks/pricing.py
	$(BIN)/python tests/benchmarks/metrics.py
	$(BIN)/python tests/benchmarks/workers.py

gallery: .venv/ready-dev
	$(BIN)/python -m tests.support.gallery

crashes: .venv/ready-dev
	$(BIN)/python -m tests.support.crashes

clean:
	rm -rf toolkit/_kernel*.so toolkit/kernel/target
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
