# The commands of this project. `make` alone lists them; each creates the environment it needs.
.DEFAULT_GOAL := help
.PHONY: help demo test check static format containers faults prove-loop prove-storage prove-models prove-streams bench prove-batch bench-readers bench-client fuzz jobs backtest lock clean
SHELL := /bin/sh
BIN := .venv/bin
# Compiled modules are kept, whatever the environment says: else each process compiles ours anew, a third of its start.
export PYTHONDONTWRITEBYTECODE =

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/.runtime: requirements.lock pyproject.toml scripts/environment
	@scripts/environment runtime

.venv/.dev: requirements-dev.lock .venv/.runtime
	@scripts/environment dev

.venv/.jobs: requirements-jobs.lock .venv/.runtime
	@scripts/environment jobs

demo: .venv/.runtime ## the whole loop on this machine, with a page to click on; Ctrl-C stops it
	@$(BIN)/millrace demo examples/movies

test: .venv/.dev ## every test, against the real servers
	@scripts/browser
	@scripts/node
	@scripts/java
	@scripts/s3
	@scripts/servers
	@$(BIN)/pytest -n 2 --no-loadscope-reorder

check: .venv/.dev ## format, lint, strict types, import contracts, fast tests
	@scripts/check

static: .venv/.dev ## the part of `make check` that runs no test
	@scripts/static

format: .venv/.dev ## put the code into its format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

containers: .venv/.dev ## the storages' contracts on Kafka, Redis and Cassandra in containers, where an engine answers
	@$(BIN)/pytest tests/containers tests/contracts --containers -k "container or redis or cassandra" -rs

faults: .venv/.dev ## kill real workers and servers, more often than `make test` does
	@MILLRACE_KILLS=100 MILLRACE_STEPS=1000 MILLRACE_REBALANCES=100 $(BIN)/pytest tests/faults
	@MILLRACE_VERDICTS=1000 $(BIN)/pytest tests/schemas/test_registry_http.py
	@MILLRACE_MODELS=large MILLRACE_EXAMPLES=1000 $(BIN)/pytest tests/protocols/test_redo.py tests/serving/test_storages_fuzz.py tests/contracts tests/schemas

prove-loop: .venv/.runtime ## the proof of the loop on the real parts; the last line is its figures as JSON
	@$(BIN)/python -m benchmarks.prove_loop

prove-storage: .venv/.runtime ## the proof of the storages on the real parts; the last line is its figures as JSON
	@$(BIN)/python -m benchmarks.prove_storage

prove-models: .venv/.runtime ## the proof of the models service on the real parts; the last line is its figures as JSON
	@$(BIN)/python -m benchmarks.prove_models

prove-streams: .venv/.runtime ## the proof of the streaming runtime beside its peers; the last line is its figures as JSON
	@$(BIN)/python -m benchmarks.prove_streams

bench: .venv/.dev ## the same comparison more often, as tables and plots: benchmarks/report.md
	@$(BIN)/python -m benchmarks.prove_streams.bench

prove-batch: .venv/.jobs ## the proof of archive and batch learning on the real parts; the last line is its figures as JSON
	@scripts/node
	@scripts/distributed
	@$(BIN)/python -m benchmarks.prove_batch

bench-readers: .venv/.dev ## what a read costs on each technology, beside what its driver would cost
	@$(BIN)/python -m benchmarks.prove_storage.readers

bench-client: .venv/.runtime ## what an ask of the client costs, beside plain httpx
	@$(BIN)/python -m benchmarks.client

fuzz: .venv/.dev ## schemathesis against a running service with keys: no answer is 5xx
	@scripts/fuzz

jobs: .venv/.jobs ## install Dagster, by which `millrace jobs` runs batch jobs

backtest: .venv/.runtime ## hit rate of each recommender on MovieLens 100K, through the endpoint code that serves
	@$(BIN)/millrace backtest examples/movies --from dataset

lock: .venv/.dev ## resolve the dependencies again and write the lock files
	@scripts/lock

clean: ## stop what runs here, remove the environment and the local state of this folder (not the shared downloads)
	@[ ! -x $(BIN)/millrace ] || $(BIN)/millrace down || true
	@rm -rf .venv .venv-fuzz .venv-s3 .venv-distributed .millrace .mypy_cache .ruff_cache .pytest_cache .hypothesis
