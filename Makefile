# What one does with a clone. Needs Python ≥ 3.11 and the package registries, nothing else.
#   PYTHON=python3.12 make test     another interpreter
#   PORT=8765 HOST=0.0.0.0 make demo

VENV ?= .venv
CONSTRAINTS ?= constraints/newest.txt
export VENV CONSTRAINTS

# Node and npm come from PyPI into the virtual environment.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export REFLEX_USE_NPM := 1
export REFLEX_TELEMETRY_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_COMPILE_BYTECODE ?= 1
export npm_config_prefer_offline := true
export npm_config_audit := false
# Tests start hundreds of interpreters; each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

PY := $(VENV)/bin/python

# What to test: all, or some of it.
TESTS ?= tests

# A test that fails is shown, and runs once more by itself: that decides. What is wrong fails again;
# what a busy machine or browser did does not cost the run, and its failure is there to be read.
# 5 is that there is none of the kind in what was chosen; any other, that not all tests were run.
pytest = $(PY) -m pytest $(cache) $(1) || case $$? in 5) ;; \
	1) $(PY) -m pytest $(cache) --last-failed --last-failed-no-failures none $(2) ;; *) exit 1 ;; esac

# What failed is noted apart for each environment: they may run beside each other.
cache = -o cache_dir=$(VENV)/.pytest_cache

say = @printf '\n\033[1m==> %s\033[0m\n'

.DEFAULT_GOAL := help
.PHONY: help demo helpdesk setup system test tests beside alone ecosystem lint ruff mypy pyright format docs bench fuzz faults soak clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## Set everything up and serve the example shop on one port
	$(say) "Starting the shop"
	@$(PY) examples/shop/run_demo.py

helpdesk: setup ## Set everything up and serve the tutorial's help desk on one port
	@cd examples/helpdesk && $(abspath $(PY)) manage.py migrate --verbosity=0
	@cd examples/helpdesk && exec $(abspath $(PY)) manage.py run_reflex $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

setup: ## Make the virtual environment, or do nothing if it is up to date
	@scripts/setup.sh

system: setup
	@scripts/system.sh

test: setup ## Set everything up, lint, and run the tests
	@$(MAKE) --no-print-directory --jobs --output-sync system ruff mypy pyright
	@$(MAKE) --no-print-directory tests

tests: ## Run the tests without linting, or some: TESTS=tests/state
	@$(MAKE) --no-print-directory beside
	@$(MAKE) --no-print-directory alone

# Most of them wait most of the time, for a server or a browser: four keep two cores busy.
WORKERS ?= 4
WITHOUT ?= alone
beside: setup system
	$(say) "Running the tests, a file at a time on $(WORKERS) workers, without $(WITHOUT)"
	@$(call pytest,-n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not ($(WITHOUT))" $(TESTS),-m "not ($(WITHOUT))" $(TESTS))

# Only the files that have some: to collect all takes four times as long.
those = $(or $(shell grep --recursive --files-with-matches --include='*.py' 'mark\.alone' $(TESTS) 2>&-),$(TESTS))
alone: setup system
	$(say) "Running those that go by the clock"
	@$(call pytest,-m alone $(those),-m alone $(those))

ecosystem: ## Run other people's middleware around events, in an environment of its own
	@scripts/test_ecosystem.sh

lint: setup ## ruff, mypy and pyright
	@$(MAKE) --no-print-directory --jobs --output-sync ruff mypy pyright

ruff: setup
	$(say) "ruff check"
	@$(PY) -m ruff check .
	$(say) "ruff format --check"
	@$(PY) -m ruff format --check .

mypy: setup
	$(say) "mypy"
	@$(PY) -m mypy

pyright: setup
	$(say) "pyright"
	@$(PY) -m pyright --pythonpath $(PY)

format: setup ## Format the code and fix what ruff can fix
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: setup ## Run every code block of the docs, check every link, build the site
	$(say) "Checking the docs"
	@$(PY) -m pytest tests/test_docs.py
	$(say) "Building the site"
	@$(PY) -m sphinx --quiet --fail-on-warning docs docs/_build
	@echo "Open docs/_build/index.html"

bench: setup ## Run the benchmarks
	@mkdir -p .bench; set -e; for name in chain crud router static; do \
		printf '\n\033[1m==> %s\033[0m\n' "$$name"; \
		$(PY) benchmarks/bench_$$name.py >.bench/$$name.txt; cat .bench/$$name.txt; \
	done
	$(say) "sockets"
	@$(PY) benchmarks/bench_sockets.py --output docs/benchmarks-sockets.md
	@$(PY) benchmarks/bench_events.py

fuzz: setup ## Try random input on the pure parts: ten minutes, or FUZZ_SECONDS=60
	$(say) "Fuzzing for $${FUZZ_SECONDS:-600} seconds"
	@$(PY) -m tests.fuzz

faults: setup system ## Fail network, workers, Redis and database under a real browser; writes docs/faults.md
	$(say) "Trying each fault"
	@$(PY) -m tests.faults

soak: setup system ## Tabs amid killed workers: twenty minutes, or SOAK_SECONDS=60
	$(say) "Soaking for $${SOAK_SECONDS:-1200} seconds"
	@$(PY) -m tests.faults.soak $${SOAK_SECONDS:-1200}

clean: ## Remove what the other targets made
	rm -rf docs/_build docs/_generated .bench .python .venv .venv-* .nox build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -type d \( -name .web -o -name .states -o -name reflex.lock -o -name uploaded_files \
		-o -name __pycache__ \) -prune -exec rm -rf {} +
	rm -rf examples/*/media examples/*/mail examples/*/staticfiles examples/*/assets/external
	rm -f examples/helpdesk/requirements.txt examples/topologies/requirements.txt examples/topologies/*/requirements.txt
	find . -name '*.sqlite3*' -not -path './.git/*' -delete
