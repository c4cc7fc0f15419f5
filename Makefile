# `make book` and `make test` are each enough on a fresh machine with Python 3.11 or 3.12. `make help` lists the rest.

# Where this is set every process compiles what it imports again: 7 s become 17 s.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
STAMP := .venv/.installed

# PYTHON=... chooses the interpreter. A name on PATH is not enough: version managers leave stubs that do not run.
ifndef PYTHON
PYTHON := $(firstword $(foreach name,python3.11 python3.12 python3 python,\
	$(shell $(name) -c 'import sys; print("$(name)" if (3, 11) <= sys.version_info < (3, 13) else "")' 2>/dev/null)))
endif

.DEFAULT_GOAL := help
.PHONY: help install run study book pdf browser test oracles train dry-run benchmark house lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z%-]+):.*## /\1\t/' | expand -t 16

install: $(STAMP) ## create .venv with the locked requirements and the package

$(STAMP): requirements.lock requirements-nodeps.lock pyproject.toml
	$(if $(PYTHON),,$(error Python 3.11 or 3.12 not found: install it or call make PYTHON=/path/to/python3.11))
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes --no-deps -r requirements-nodeps.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: $(STAMP) ## run what of the phantom profile is not recorded for the code, models and data at hand
	$(BIN)/emotrace run --profile phantom

study: $(STAMP) ## reproduce all recorded rows of the phantom from nothing, and compare; about 45 minutes
	$(BIN)/emotrace reproduce --profile phantom --all --fresh --out work/study.csv

book: $(STAMP) ## reproduce one row of the recorded study, build the book, check its pages
	$(BIN)/python book/build.py

pdf: book ## the book as one PDF, where Chromium is installed
	$(BIN)/python book/pdf.py

browser: book ## open every built page in Chromium (Debian: apt-get install chromium)
	$(BIN)/python -m pytest tests/browser

test: $(STAMP) ## run the tests and the notebooks, in two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval-lax -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/browser

oracles: $(STAMP) ## the tests with an independent reference; what they measure goes to data/oracles.csv; two minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/browser --oracles data/oracles.csv tests

train: $(STAMP) ## train every small model that is not there, from RAVDESS and LibriSpeech; hours, resumable
	$(BIN)/emotrace train all

train-%: $(STAMP) ## train one of them, e.g. make train-hubert, make train-acoustic-none-T6
	$(BIN)/emotrace train $*

dry-run: $(STAMP) ## the paper profile with random weights of full size, end to end, in work/dry-run; 8 minutes, 6 GB
	OMP_NUM_THREADS=1 $(BIN)/python tests/fixtures/dry_run.py --full --work work/dry-run

benchmark: $(STAMP) ## ratios of cost and speed; about half an hour on an idle machine
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py

lint: $(STAMP) ## ruff: rules and format; import-linter: the order of the folders
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

house: $(STAMP) ## the size of every folder of src, and whether the folders keep their order
	$(BIN)/python benchmarks/house.py
	$(BIN)/lint-imports

format: $(STAMP) ## ruff: mend what it can; jupytext: the text notebooks in step with the .ipynb
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/jupytext --quiet --from ipynb --to md:myst notebooks/*.ipynb

# Needs uv (https://docs.astral.sh/uv) on PATH. --universal: one file for Python 3.11 and 3.12.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--default-index https://pypi.org/simple --custom-compile-command "make lock"

lock: ## resolve requirements.txt again and write the lock files
	$(COMPILE) requirements.txt -o requirements.lock
	$(COMPILE) --no-deps requirements-nodeps.txt -o requirements-nodeps.lock

clean: ## remove the environment, the built book with its audio, everything computed (not the recorded results)
	rm -rf .venv book/_build book/sets book/_static/listening work
