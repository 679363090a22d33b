# make demo and make test do all the set-up themselves, on a machine with Python 3.11, 3.12 or 3.13 and make.
PYTHON ?= python3
BIN := .venv/bin
DEMO := runs/demo
# What tells one Python from another: a name on PATH may be a link, or the environment's own.
WHICH := -c "import sys; print(sys.base_prefix, sys.version)"
CHECK := "import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit( \
	'Python 3.11, 3.12 or 3.13 is needed (make PYTHON=/path/to/python3), this is ' + sys.version)"

.PHONY: help demo screenshots test test-all remote-check pytest browser lint style types audit benchmarks clean

help:
	@echo "make demo   set up, make the demo data, search globally and locally, train, score, report"
	@echo "make screenshots  take the pictures of README and guides again, of the demo"
	@echo "make test   set up, check the style, run all tests"
	@echo "make test-all  the same with the slow tests, also those that need requirements-all.txt"
	@echo "make remote-check  searches on two hosts over ssh, which are killed and come back; needs an sshd"
	@echo "make lint   ruff and mypy only"
	@echo "make audit  look up known vulnerabilities of all packages"
	@echo "make benchmarks  time our layers against the usual formulation, at one thread"
	@echo "make clean  remove .venv and $(DEMO)"
	@echo "PYTHON=/path/to/python3.13 with any of these makes .venv anew where it was made by another Python"

# An environment is kept unless PYTHON is given and is not the one that made it.
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(PYTHON) $(WHICH)),$(if $(wildcard $(BIN)/python),$(shell $(BIN)/python $(WHICH))))
.PHONY: another_python
.venv/installed: another_python
VENV_OPTIONS := --clear
endif
endif

.venv/installed: requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	@$(PYTHON) -c $(CHECK)
	$(PYTHON) -m venv $(VENV_OPTIONS) .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

.venv/installed-all: .venv/installed requirements-all.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-all.txt -c constraints.txt
	touch $@

demo: export G2L_CACHE := $(CURDIR)/$(DEMO)/cache
demo: .venv/installed
	$(BIN)/python -m experiments.demo_data --output $(DEMO)/data/demo
	$(BIN)/python -m trials.check_data $(DEMO)/data/demo
	$(BIN)/python -m experiments.pipeline --dataset demo --data-root $(DEMO)/data --global-search genetic --seeds 0 1 2 3
	$(BIN)/python -m trials.predict --checkpoint $(DEMO)/final/local/split1/seed0/model.pt \
		--data-root $(DEMO)/data --split 1 --output $(DEMO)/predictions
	$(BIN)/python -m trials.evaluate --ground-truth $(DEMO)/data/demo/groundTruth \
		--predictions $(DEMO)/predictions --per-class
	@echo "everything is in $(DEMO); the report: $(DEMO)/report/report.html"

# A demo that has run already takes seconds.
screenshots: demo browser
	$(BIN)/python -m tools.screenshots

lint: style types

style: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/mypy

# Without a Chromium, tests of web pages are skipped and say so. The pages themselves need none.
browser: .venv/installed
	$(BIN)/python -m tools.browser || timeout 300 $(BIN)/python -m playwright install chromium \
		|| echo "no Chromium to be had: tests of web pages will be skipped"

# mypy takes one core for a minute, where it has not run before: the tests, which also wait, run beside it.
# Compiled tests are kept whatever the user has set: all of them take ten seconds.
test: export PYTHONDONTWRITEBYTECODE =
test: style browser
	$(MAKE) --no-print-directory --jobs 2 types pytest

test-all: .venv/installed-all
	$(MAKE) --no-print-directory test PYTEST_OPTIONS="-m ''"

# Two hosts of its own on this machine: no other machine, and no account, is needed. About half an hour.
remote-check: .venv/installed
	$(BIN)/python -m tests.drills.remote

# The tests wait for processes more than they compute, so more than twice as many run side by side as there are cores.
# An advisory that comes out later must not fail the tests of an old checkout: there it is a warning.
pytest: .venv/installed
	$(BIN)/python -m tools.audit --warn
	$(BIN)/python -m tests -n $$((2 * $$(nproc) + 1)) --dist worksteal $(PYTEST_OPTIONS)

audit: .venv/installed
	$(BIN)/python -m tools.audit

benchmarks: .venv/installed
	for name in training_step branched_step other_networks ragged_batch prediction evaluation roofline gradients \
			peak_memory stream_latency; do \
		echo "python -m benchmarks.$$name" && $(BIN)/python -m benchmarks.$$name --rounds 5 || exit 1; \
	done

clean:
	rm -rf .venv $(DEMO)
