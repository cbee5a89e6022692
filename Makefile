# make demo | serve | test | test-all | lint | typecheck | check
# The first target that needs an environment makes it; a changed pyproject.toml renews it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

# What else an environment must hold, for a second one beside .venv.
EXTRA ?=
# Names the results of this environment's test runs.
RUN ?= py
PYTEST_ARGS ?=
WORKERS ?= 2
DATABASES ?= sqlite postgres
RESULTS := .cache/results

VENV_313 := .venv-313
DJANGO_313 := django>=6.1,<6.2
# A shim can be there without an interpreter behind it, so the candidate is asked.
FIND_313 = for python in python3.13 "$$(pyenv prefix "$$(pyenv versions --bare 2>/dev/null \
	| grep -E '^3\.13\.[0-9]+$$' | tail -n 1)" 2>/dev/null)/bin/python3.13"; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; \
	then command -v "$$python"; break; fi; done

.PHONY: help demo serve bench bench-quick guards matrix random soak test test-sqlite test-postgres test-313 test-lowest test-all lint format typecheck audit check clean

help:
	@echo "make demo       the example, once, in the terminal; three of its workers are killed on the way"
	@echo "make serve      the example with its admin on http://127.0.0.1:8000/admin/, and a worker"
	@echo "make test       the whole suite, on SQLite and on PostgreSQL (an embedded one is started)"
	@echo "make test-all   the same, then again on Python 3.13 with Django 6.1"
	@echo "make test-lowest  the same on SQLite, with the lowest versions that pyproject.toml allows"
	@echo "make guards     take each guard of the engine out and see its test fail"
	@echo "make matrix     let another act before each statement of each call, at random, for an hour"
	@echo "make random     the random tests of the suite, twenty times as many"
	@echo "make soak       executions at random under kills, cut commits and restarts of PostgreSQL"
	@echo "make bench      our engine and its peers on one PostgreSQL, in 25 minutes; bench-quick: in six"
	@echo "make lint typecheck audit check"

# -- environments ------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) -e . tzdata $(EXTRA)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), with what the tests need ..."
	@$(PIP) -e '.[dev,postgres]' $(EXTRA)
	@touch $@ $(VENV)/.installed

# -- the example -------------------------------------------------------------------------

demo: $(VENV)/.installed
	@$(BIN)/python -m example_project.demo

LOGIN = from django.contrib.auth import get_user_model; users = get_user_model().objects; \
	users.filter(username="demo").exists() or users.create_superuser("demo", "demo@example.com", "demo")

serve: $(VENV)/.installed
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py shell --verbosity 0 --command '$(LOGIN)'
	@$(BIN)/python manage.py start_samples
	@echo "http://127.0.0.1:8000/admin/  user: demo  password: demo"
	@EXAMPLE_LATENCY=1 $(BIN)/python manage.py durable_worker & worker=$$!; \
	trap 'exit 130' INT TERM; trap 'kill $$worker 2>/dev/null; wait $$worker' EXIT; \
	$(BIN)/python manage.py runserver 127.0.0.1:8000

# -- tests -------------------------------------------------------------------------------

# The pages of the admin are looked at in a real browser, workers talk through a real pooler, and what
# the documentation types in a shell is typed. Where something is missing, tests fail and say so.
.PHONY: browser
browser:
	@for tool in chromium chromedriver curl openssl pgbouncer; do \
		command -v $$tool >/dev/null && continue; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing chromium, curl, openssl and pgbouncer ..."; \
			export DEBIAN_FRONTEND=noninteractive; \
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends \
				chromium chromium-driver curl openssl pgbouncer; } >/dev/null \
				|| echo "could not install them" >&2; \
		else \
			echo "$$tool is missing: apt-get install chromium chromium-driver curl openssl pgbouncer" >&2; \
		fi; \
		break; \
	done

# Both databases, unless told otherwise; the last lines are the counts for each.
test: $(VENV)/.installed-dev browser
	@failed=; \
	for database in $(DATABASES); do \
		$(MAKE) --no-print-directory test-$$database || failed=1; \
	done; \
	$(BIN)/python -m tests.summary $(foreach one,$(DATABASES),$(RESULTS)/$(RUN)-$(one).xml) \
		|| failed=1; \
	test -z "$$failed"

test-sqlite test-postgres: test-%: $(VENV)/.installed-dev
	@rm -f $(RESULTS)/$(RUN)-$*.xml
	@DURABLE_TEST_DB=$* $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
		--junit-xml=$(RESULTS)/$(RUN)-$*.xml $(PYTEST_ARGS)

# Takes each guard of the engine out, in a copy, and wants to see its test fail.
guards: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.guards.check_guards

# Lets another act before each statement of each call, at random for a while; the seed is printed.
MATRIX_SECONDS ?= 3600
matrix: $(VENV)/.installed-dev
	@for database in $(DATABASES); do \
		DURABLE_TEST_DB=$$database MATRIX_SECONDS=$(MATRIX_SECONDS) \
			$(BIN)/python -m pytest -s -o faulthandler_timeout=0 tests/concurrency/whole_matrix.py || exit 1; \
	done

# The random flows, trees and executions of the suite, many times as many.
TIMES ?= 20
random: $(VENV)/.installed-dev
	@for database in $(DATABASES); do \
		DURABLE_TEST_DB=$$database DURABLE_TEST_TIMES=$(TIMES) \
			$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
			-o faulthandler_timeout=0 tests/model || exit 1; \
	done

# A PostgreSQL of its own, real workers and clients. The last line has the figures; a run that found
# something leaves its directory in .cache, and can be had again with its SEED.
EXECUTIONS ?= 2000
KILLS ?= 300
CUTS ?= 150
RESTARTS ?= 20
SEED ?=
soak: $(VENV)/.installed-dev
	@EXECUTIONS=$(EXECUTIONS) KILLS=$(KILLS) CUTS=$(CUTS) RESTARTS=$(RESTARTS) SEED=$(SEED) \
		$(BIN)/python -m tests.soak

# Our engine and its peers, each in an environment of its own below .cache/benchmarks: see
# benchmarks/README.md. BENCH_ARGS names scenarios and engines.
BENCH_ARGS ?=
bench: $(VENV)/.installed-dev
	@$(BIN)/python -W ignore -m benchmarks --size full $(BENCH_ARGS)

bench-quick: $(VENV)/.installed-dev
	@$(BIN)/python -W ignore -m benchmarks --size quick --out .cache/benchmarks/quick $(BENCH_ARGS)

test-313:
	@python=$$($(FIND_313)); \
	if [ -z "$$python" ]; then \
		echo "No Python 3.13 on this machine: the suite was NOT run on Python 3.13 with Django 6.1."; \
	else \
		$(MAKE) --no-print-directory test PYTHON="$$python" VENV=$(VENV_313) EXTRA='"$(DJANGO_313)"' \
			RUN=py313; \
	fi

# The lowest versions that pyproject.toml allows, of what the package needs.
LOWEST = import re, tomllib; needs = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*(re.sub(">=", "==", need) for need in needs["dependencies"]))

test-lowest:
	@lowest=$$($(PYTHON) -c '$(LOWEST)') && \
	$(MAKE) --no-print-directory test-sqlite VENV=.venv-lowest EXTRA="$$lowest" RUN=lowest

test-all: test
	@$(MAKE) --no-print-directory test-313

# -- what can be told without running it -------------------------------------------------

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

format: $(VENV)/.installed-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

typecheck: $(VENV)/.installed-dev
	@$(BIN)/mypy --strict durable example_project benchmarks tests/typing/user_code.py tests/typing/readme_code.py

# Holes that tools know of: in this code, and in what it depends on (as far as the index says).
audit: $(VENV)/.installed-dev
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive durable example_project 2>/dev/null
	@mkdir -p .cache; $(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip \
		--exclude setuptools --disable-pip-version-check >.cache/installed.txt; \
	found=$$($(BIN)/pip-audit --progress-spinner off --timeout 15 --disable-pip --no-deps \
		--requirement .cache/installed.txt 2>&1); \
	case "$$found" in \
		*"No known vulnerabilities found"*) echo "pip-audit: no known vulnerabilities" ;; \
		*Found*vulnerabilit*) echo "$$found" >&2; exit 1 ;; \
		*) echo "pip-audit: the index says nothing: $$(echo "$$found" | tail -n 1)" ;; \
	esac

check: $(VENV)/.installed-dev
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py makemigrations --check --dry-run --settings tests.settings
	@DEBUG=0 ALLOWED_HOSTS=example.com \
		SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

clean:
	rm -rf .venv $(VENV_313) .cache .hypothesis dist build
