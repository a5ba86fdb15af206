# make run    the studio at http://127.0.0.1:9090
# make test-image  the container: built, started and worked in 256 MiB (as root on Debian)
# make test   everything that must hold before a change goes in; with WORKERS=0 without parallel processes
# make test-slow   what takes too long for that: 2,000 crash histories, a minute without the object store
# make frontend  the web UI as Cloudflare Pages serves it, in frontend/dist
# make bench  the benchmark table, beside the real InvokeAI

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
TESTS ?= tests
# processes that run the tests; 0: all of them in one
WORKERS ?= auto
# of `make test-slow`; a plain run of the tests takes a tenth of each
HISTORIES ?= 2000
OUTAGE_SECONDS ?= 60

LINTERS := ruff-check ruff-format mypy lint-imports
.PHONY: $(LINTERS) run ui frontend test test-slow test-image lint bench clean

run: .venv/installed ui
	$(BIN)/invokeai-web $(ARGS)

ui: .venv/installed
	@$(BIN)/python -m invokeai.app.services.ui_bundle > /dev/null

frontend: .venv/installed
	$(BIN)/python -m invokeai.app.services.ui_bundle --export frontend/dist
	cp -R frontend/pages/static/. frontend/dist/

# what can run on SQLite and disk or on D1 and a bucket runs on both
test: lint .venv/tested-with ui
	$(BIN)/pytest $(TESTS) --engines both -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: .venv/tested-with
	$(BIN)/pytest $(TESTS) -m scaled --histories $(HISTORIES) --outage-seconds $(OUTAGE_SECONDS) -n $(WORKERS) --dist loadfile

# as root on Debian, with what container/tools.sh installs
test-image: .venv/tested-with
	sh container/tools.sh
	$(BIN)/pytest container

lint: .venv/tested-with
	@$(MAKE) --no-print-directory --jobs --output-sync $(LINTERS)

ruff-check:
	$(BIN)/ruff check .
ruff-format:
	$(BIN)/ruff format --check .
mypy:
	$(BIN)/mypy
lint-imports:
	$(BIN)/lint-imports

bench: .venv/tested-with ui
	$(BIN)/python -m benchmarks $(ARGS)

# without the test tools, so that a newcomer waits as little as possible
.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/tested-with: .venv/installed pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache tests/artifacts
