# Everything runs in .venv, which the first command makes.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
CONFIG ?= config/demo.yaml
SNAKEFILES := Snakefile $(wildcard workflow/rules/*.smk)

.PHONY: demo test lint format dag clean

demo: $(INSTALLED)
	$(BIN)/snakemake --profile profiles/local --configfile config/demo.yaml

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(BIN)/snakemake --lint --configfile config/smoke.yaml
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt $(SNAKEFILES)

# The jobs of CONFIG as a graph: dot text, and a picture where Graphviz is installed.
dag: $(INSTALLED)
	@mkdir -p results
	$(BIN)/snakemake --profile profiles/local --configfile $(CONFIG) --rulegraph \
	  > results/rulegraph.dot
	@if command -v dot > /dev/null; then \
	  dot -Tsvg results/rulegraph.dot > results/rulegraph.svg; \
	  echo results/rulegraph.svg; \
	else echo "results/rulegraph.dot (install graphviz to draw it)"; fi

# torch first and pinned: a free version would draw in gigabytes of CUDA packages.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
	  --editable '.[test,lint]'
	touch $@

clean:
	rm -rf .venv results .snakemake
