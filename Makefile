# Everything that a person or CI runs. `make help` lists it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests wait for browsers, processes and timers: three processes more than there are cores.
JOBS   ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 3 )))
# Files that share a server run in one process: tests/suite.py.
PARALLEL := -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Without bytecode every process compiles every test again.
test test-core future aegra-test mcp-test deepagents-test frontends unit promises mutants: export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: npm mcp-node chromium wrk faketime databases help up serve sandbox studio doctor aegra aegra-test mcp-test deepagents-test test test-core future frontends unit promises mutants cluster chaos soak bench bench-scale injections referees wheel docs check format lock sbom licences vulnerabilities clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 17

up: npm ## install, then run sandbox, agent and page; Ctrl-C stops all
	@$(MAKE) --no-print-directory --jobs 2 $(VENV)/.runtime frontend/node_modules/.page
	@exec $(BIN)/idaas-agent up

serve: $(VENV)/.runtime ## the agent alone, configured by the environment
	@exec $(BIN)/idaas-agent serve

sandbox: $(VENV)/.runtime ## the sandbox cloud alone; writes .sandbox/agent.env
	@exec $(BIN)/idaas-agent sandbox

doctor: $(VENV)/.runtime ## check configuration and every dependency, step by step
	@exec $(BIN)/idaas-agent doctor

studio: $(VENV)/.dev ## LangGraph Server for Studio, against the configured cloud or the sandbox that runs
# With reloading it would watch the folder in which it keeps threads, and log a change every ten seconds.
	@exec $(BIN)/python scripts/studio.py $(BIN)/langgraph dev --no-browser --no-reload

aegra: $(VENV)/.dev .venv-aegra/.installed databases ## LangGraph's API on Aegra against the sandbox, the one that runs or its own: server, worker, PostgreSQL, Redis
	@exec $(BIN)/python scripts/aegra.py

aegra-test: npm $(VENV)/.dev .venv-aegra/.installed tests/front_ends/node_modules/.installed chromium databases ## the tests on Aegra, and those of LangGraph Server's clients against it
	@$(BIN)/pytest -n 1 --langgraph-server aegra plugins/aegra/tests/apart tests/front_ends/langgraph tests/security/callers/test_langgraph_isolation.py tests/security/callers/test_langgraph_messages.py

mcp-test: mcp-node $(VENV)/.dev .venv-mcp2/.installed tests/mcp_referees/node_modules/.installed ## both of MCP's roles against the official SDK 2.x, the conformance runner and MCP Inspector; needs Node 22.19, which npm has (npm install node@22): make mcp-test MCP_NODE=path
	@MCP_NODE=$(MCP_NODE) $(BIN)/pytest tests/mcp_referees
MCP_NODE ?= node

deepagents-test: $(VENV)/.dev .venv-deepagents/.installed ## deep agents with the library, alone and under the server, in an environment of their own
	@.venv-deepagents/bin/python -m pytest tests/deep_agents plugins/mcp_server/tests/apart

test: npm $(VENV)/.dev frontend/node_modules/.installed tests/front_ends/node_modules/.installed chromium wrk databases ## install what tests need and run all of them
	@$(BIN)/pytest $(PARALLEL)

test-core: npm $(VENV)/.dev databases ## the tests of the core: without browsers, front ends, LangGraph's servers, plug-ins, packages and images (under three minutes)
	@$(BIN)/pytest $(PARALLEL) $(CORE)
CORE := tests/http1 tests/identity tests/tools tests/graph tests/agent --ignore=tests/agent/api/langgraph

future: npm $(VENV)/.dev frontend/node_modules/.installed tests/front_ends/node_modules/.installed chromium faketime databases ## the tests that name a date, as on a New Year's Eve more than a year ahead
	@scripts/new-years-eve $(BIN)/pytest $(PARALLEL) --dated

frontends: npm $(VENV)/.dev frontend/node_modules/.installed tests/front_ends/node_modules/.installed tests/front_ends/copilotkit/node_modules/.installed chromium databases ## the tests with published front ends, also those that take longer to install
	@$(BIN)/pytest $(PARALLEL) tests/front_ends tests/front_ends/copilotkit

unit: $(VENV)/.dev ## the unit tests on another Python, in an environment of its own: make unit PYTHON=python3.13
	@$(BIN)/uv venv --quiet --clear --offline --no-config --python $(PYTHON) .venv-unit
	@$(BIN)/python scripts/install.py requirements-dev.lock --python .venv-unit/bin/python
	@$(BIN)/pip --python .venv-unit/bin/python install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@AS_USERS_DO=1 .venv-unit/bin/python -m pytest $(PARALLEL) --quiet tests/http1 tests/identity tests/graph tests/tools

promises: npm $(VENV)/.dev frontend/node_modules/.installed tests/front_ends/node_modules/.installed chromium wrk databases ## each promise of SECURITY.md with its tests and their results
	@$(BIN)/python scripts/promises.py $(PARALLEL)

mutants: $(VENV)/.dev databases ## remove each guard behind the promises, one at a time, and list those that no test misses (15 minutes): make mutants GUARDS=relay
	@$(BIN)/python scripts/mutants.py $(GUARDS)
GUARDS ?=

bench: $(VENV)/.dev wrk databases ## measure all rows against a floor or peer (twenty minutes); writes benchmarks/README.md
	@$(BIN)/python -m benchmarks

cluster: npm $(VENV)/.dev frontend/node_modules/.installed databases ## two replicas, PostgreSQL, Redis, a balancer and the page; kills one while ten people chat
	@exec $(BIN)/python -m cluster $(CLUSTER)
CLUSTER ?=

chaos: npm $(VENV)/.dev .venv-aegra/.installed frontend/node_modules/.installed databases ## 370 chats and more while replicas, Aegra's workers, PostgreSQL and Redis are killed, hang, forget or fail over: nothing is lost, doubled or leaked (25 minutes)
	@$(BIN)/python -m cluster.chaos $(CHAOS)
CHAOS ?=

bench-scale: $(VENV)/.dev ## measure 5,000 open streams of a slow model beside the bare agent (four minutes)
	@$(BIN)/python -m benchmarks.rows.open_streams

injections: .venv-injections/.installed ## AgentDojo's attacks on the agent, with a model that obeys all of them (a quarter of an hour on two quiet cores); writes its part of docs/injections.md: make injections INJECTIONS='--every 20 banking', or '--continue' where it was ended
	@.venv-injections/bin/python -m benchmarks.injections $(INJECTIONS)
INJECTIONS ?=

referees: $(VENV)/.dev ## a suite that others wrote, against the agent; writes its part of docs/referees.md: make referees REFEREE=cedar REFEREE_DIR=checkout
	@$(BIN)/python -m tests.referees $(REFEREE) $(if $(REFEREE_DIR),--checkout '$(REFEREE_DIR)')
REFEREE ?= --help

soak: $(VENV)/.dev ## check that memory stays flat over 100,000 requests of 12,000 users (15 minutes)
	@$(BIN)/python -m benchmarks.soak

wheel: npm $(VENV)/.runtime frontend/node_modules/.page ## build dist/idaas_agent-….whl, which has the page in it, and dist/requirements.lock with its hash
	@rm -f dist/idaas_agent-*.whl
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python scripts/wheel_lock.py dist

docs: npm .venv-docs/.installed ## build the documentation site into build/site, and check its links and its search; needs no network then
	@.venv-docs/bin/python scripts/docs_site.py

check: $(VENV)/.dev ## lint, format, types and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## resolve the dependencies anew; no registry address is written
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra server --extra policy --group build $(LOCK_OPTIONS) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra server --extra policy --group build --group test --group bench --group check -c requirements.lock $(LOCK_OPTIONS) -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra server --extra policy --group build --group aegra -c requirements.lock $(subst 3.11,3.12,$(LOCK_OPTIONS)) -o requirements-aegra.lock
	echo pytest | $(BIN)/uv pip compile - -c requirements-dev.lock $(LOCK_OPTIONS) --no-header -o examples/my_agent/requirements-test.lock
	$(BIN)/uv pip compile --upgrade --group pyproject.toml:mcp2 $(LOCK_OPTIONS) -o requirements-mcp2.lock
# As the tests are, but for the package of which google-genai needs an older version.
	mkdir -p build && sed '/^tenacity==/,/[^\\]$$/d' requirements-dev.lock > build/deepagents-constraints.txt
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra server --extra policy --group build --group test --group deepagents -c build/deepagents-constraints.txt $(LOCK_OPTIONS) -o requirements-deepagents.lock
	$(BIN)/uv pip compile pyproject.toml --upgrade --extra server --extra policy --group build --group injections -c requirements-dev.lock $(LOCK_OPTIONS) -o requirements-injections.lock
	echo mkdocs-material | $(BIN)/uv pip compile - --upgrade -c requirements-dev.lock $(LOCK_OPTIONS) -o requirements-docs.lock
	$(BIN)/python -m scripts.supply_chain.neighbours
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet

sbom: $(VENV)/.dev ## the bill of materials (CycloneDX) of the lock files: make sbom OUT=file
	@$(BIN)/python -m scripts.supply_chain.sbom $(OUT)
OUT ?= build/sbom.cdx.json

licences: $(VENV)/.dev ## list the licence of each dependency; fails on one that the project does not accept
	@$(BIN)/python -m scripts.supply_chain.licences

vulnerabilities: $(VENV)/.dev ## look the lock files up in a file or folder in the OSV format: make vulnerabilities DATABASE=path
	@$(BIN)/python -m scripts.supply_chain.vulnerabilities $(DATABASE)

clean: ## remove what was installed and made
	rm -rf $(VENV) .venv-unit .venv-aegra .venv-mcp2 .venv-deepagents .venv-injections .sandbox .langgraph_api frontend/node_modules tests/front_ends/node_modules tests/front_ends/copilotkit/node_modules tests/mcp_referees/node_modules .mypy_cache .ruff_cache .pytest_cache

# --- what the targets above need ---------------------------------------------------------------

# First of all: installing for a minute would not help without it.
npm:
	@command -v npm >/dev/null || { echo 'npm is needed for the page and its tests: install Node.js 20 or newer'; exit 1; }

mcp-node:
	@$(MCP_NODE) -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 22 || (major === 22 && minor >= 19) ? 0 : 1)' \
		|| { echo 'make mcp-test needs Node.js 22.19 or newer. Where there is an older one: npm install node@22 in an empty folder, then make mcp-test MCP_NODE=folder/node_modules/.bin/node'; exit 1; }

# By apt, where they are missing.
chromium wrk faketime:
	@scripts/ensure-$@

databases:
	@scripts/ensure-redis
	@scripts/ensure-postgresql

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed; {sys.executable} is {v.major}.{v.minor}. Name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Installing the agent (about half a minute, once) …'
	@$(BIN)/python scripts/install.py requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo 'Installing what tests and checks need …'
	@$(BIN)/python scripts/install.py requirements-dev.lock
	@touch $@

# Aegra needs Python 3.12 or newer: make aegra AEGRA_PYTHON=python3.13
AEGRA_PYTHON ?= $(shell for p in python3.13 python3.12 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$p && break; done)

.venv-aegra/.installed: requirements-aegra.lock pyproject.toml | $(VENV)/.dev
	@test -n '$(AEGRA_PYTHON)' || { echo 'Aegra needs Python 3.12 or newer. Name one: make aegra AEGRA_PYTHON=/path/of/python3.12'; exit 1; }
	@echo 'Installing Aegra (about 220 MB, once) …'
	@$(BIN)/uv venv --quiet --clear --offline --no-config --python $(AEGRA_PYTHON) .venv-aegra
	@$(BIN)/python scripts/install.py requirements-aegra.lock --python .venv-aegra/bin/python
	@$(BIN)/pip --python .venv-aegra/bin/python install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv-mcp2/.installed: requirements-mcp2.lock | $(VENV)/.dev
	@echo 'Installing the SDK 2.x of MCP (once) …'
	@$(BIN)/uv venv --quiet --clear --offline --no-config .venv-mcp2
	@$(BIN)/python scripts/install.py requirements-mcp2.lock --python .venv-mcp2/bin/python
	@touch $@

.venv-deepagents/.installed: requirements-deepagents.lock pyproject.toml | $(VENV)/.dev
	@echo 'Installing deep agents, and the tests beside them (once) …'
	@$(BIN)/uv venv --quiet --clear --offline --no-config .venv-deepagents
	@$(BIN)/python scripts/install.py requirements-deepagents.lock --python .venv-deepagents/bin/python
	@$(BIN)/pip --python .venv-deepagents/bin/python install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv-injections/.installed: requirements-injections.lock pyproject.toml | $(VENV)/.dev
	@echo 'Installing AgentDojo, and the agent beside it (once) …'
	@$(BIN)/uv venv --quiet --clear --offline --no-config .venv-injections
	@$(BIN)/python scripts/install.py requirements-injections.lock --no-deps --python .venv-injections/bin/python
	@$(BIN)/pip --python .venv-injections/bin/python install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv-docs/.installed: requirements-docs.lock | $(BIN)/python
	@echo 'Installing what builds the documentation (once) …'
	@$(PYTHON) -m venv --clear .venv-docs
	@$(BIN)/python scripts/install.py requirements-docs.lock --python .venv-docs/bin/python
	@touch $@

# What the page loads, without the packages of its tests; all of them will do.
frontend/node_modules/.page: frontend/package-lock.json frontend/package.json
	@test frontend/node_modules/.installed -nt frontend/package-lock.json || { \
		echo 'Installing what the page loads …'; \
		npm ci --prefix frontend --omit=dev --no-audit --no-fund --loglevel=error >/dev/null; }
	@touch $@

%/node_modules/.installed: %/package-lock.json %/package.json
	npm ci --prefix $* --no-audit --no-fund --loglevel=error
	@touch $@
