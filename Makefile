# `make run` and `make test` need only Python 3.11 or newer, make and git: each does its own
# set-up in .venv. A stamp file a level remembers that it is done, so that the second time
# costs nothing; a changed lock file makes make's timestamps ask for it again.

PYTHON ?= python3
DATA ?= $(RUSY_RECORDINGS)

# Tests, training and benchmarks find recorded candles by this variable.
ifneq ($(strip $(DATA)),)
export RUSY_RECORDINGS := $(abspath $(DATA))
endif
export PYTHON REQUIRE SEED SEEDS TORCH
export GOAL := $(firstword $(MAKECMDGOALS) run)

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# The version that is shipped; training it again leaves the committed one alone.
SHIPPED = $(shell cat models/SHIPPED)
OUT ?= .cache/trained/$(SHIPPED)
NEEDS_DATA = $(if $(strip $(DATA)),:,{ echo 'rusy: this needs recorded candles. Type:'; \
	echo; echo '    make $(GOAL) DATA=DIR'; echo; } >&2; exit 2)
# A .venv whose Python is gone (an upgraded system, a moved folder) is made again.
LOST := $(if $(wildcard $(BIN)/python),,lost)

.DEFAULT_GOAL := help
.PHONY: help run test check format verify bench soak train lock reference clean lost

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.stamp-run ## the console on a simulated exchange (ARGS="--seed 3" and the like)
	@exec $(BIN)/rusy demo $(ARGS)

test: check ## lint, types, import rules and the tests that need nothing but Python
	@echo 'test: pytest'
	@$(PYTEST) -q -m 'not (verify or training or slow or soak)' $(ARGS)

check: .venv/.stamp-dev ## lint, types and import rules alone
	@echo 'check: ruff'
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . \
		|| { echo 'rusy: make format may mend this' >&2; exit 1; }
	@echo 'check: mypy --strict'
	@$(BIN)/mypy --no-error-summary rusy_tui tests tools $(wildcard benchmarks) --exclude '^tests/training/'
	@echo 'check: who may import whom'
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo >.venv/imports.log \
		|| { cat .venv/imports.log; exit 1; }

format: .venv/.stamp-dev ## mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

verify: .venv/.stamp-train ## what needs more: torch, tmux, node, a second user, long suites
	@echo 'verify: mypy --strict over training'
	@$(BIN)/mypy --no-error-summary training tests/training
	@echo 'verify: pytest'
	@$(PYTEST) -q -m '(verify or training or slow) and not soak' --timeout 900 $(ARGS)

bench: .venv/.stamp-dev ## measurements (DATA=DIR: recorded candles)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.stamp-dev ## whole-system runs over many seeds (SEEDS=100, or one: SEED=7)
	@$(PYTEST) -q -m soak --timeout 0 $(ARGS)

train: .venv/.stamp-train ## train the shipped version again and compare (DATA=DIR; OUT=DIR)
	@$(NEEDS_DATA)
	@$(BIN)/python -m training train --data "$$RUSY_RECORDINGS" --out $(OUT) \
		--against models/$(SHIPPED) $(ARGS)

lock: ## resolve pyproject.toml into requirements/*.txt (ARGS=--upgrade: newer releases)
	@tools/lock.sh $(ARGS)

reference: .venv/.stamp-dev ## write docs/configuration.md from the settings' docstrings
	@$(BIN)/python -m tools.configuration_reference docs/configuration.md

clean: ## remove what set-up and tests made, the environment too
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build

# --- set-up ----------------------------------------------------------------------------

.venv/.stamp-run: requirements/run.txt pyproject.toml tools/setup.sh $(LOST)
	@tools/setup.sh run

.venv/.stamp-dev: requirements/dev.txt pyproject.toml tools/setup.sh $(LOST)
	@tools/setup.sh dev

.venv/.stamp-train: requirements/train.txt pyproject.toml tools/setup.sh $(LOST)
	@tools/setup.sh train

# --- acceptance: one target a promise that is shown by a run rather than a test ----------

.PHONY: done-backfill done-book done-day done-demo done-kill done-bad-input done-faults done-fuzz done-replay done-busy done-clients done-import done-dump done-collect

CAPTURES ?= .cache/walk

REPLAY = $(BIN)/rusy demo --headless --mode auto --speed max --summary - \
	--replay $(RUSY_RECORDINGS)/klines/BTCUSDT-15m.parquet \
	--from 2025-05-01 --until 2025-05-08
TWICE = $(REPLAY) $(1) >.venv/first.json && $(REPLAY) $(1) >.venv/second.json \
	&& cmp .venv/first.json .venv/second.json && cat .venv/first.json

done-backfill: .venv/.stamp-dev ## 3000 days of history: its cost, its windows (ten pairs), ten kills (SEED=7)
	@REQUIRE=all RUSY_BACKFILL_DAYS=3000 $(PYTEST) -q -s -m 'not training' --timeout 0 \
		tests/simulation/test_backfill.py tests/system/test_backfill_killed.py $(ARGS)
	@$(BIN)/python -m benchmarks.backfilling

done-day: .venv/.stamp-dev ## a day with 200 faults, three seeds: engine and exchange agree to the last digit
	@$(PYTEST) -q -m '' tests/soak/test_day_of_trouble.py $(ARGS)

done-demo: .venv/.stamp-dev ## a newcomer's walk in tmux, judged by the exchange's books (CAPTURES=DIR)
	@rm -rf $(CAPTURES)
	@REQUIRE=all RUSY_CAPTURES=$(abspath $(CAPTURES)) \
		$(PYTEST) -q -m 'not training' tests/system/test_walk.py $(ARGS) && cat $(CAPTURES)/figures.json

done-kill: .venv/.stamp-dev ## kill -9 of engines and consoles with a position open
	@REQUIRE=all $(PYTEST) -v -m 'not training' tests/system/test_killing.py $(ARGS)

done-bad-input: .venv/.stamp-dev ## bad input of every kind: message and exit code
	@$(PYTEST) -v tests/system/test_bad_input.py $(ARGS)

done-book: .venv/.stamp-dev ## the adapter's book rebuilt from recorded differences (DATA=DIR)
	@$(NEEDS_DATA)
	@REQUIRE=all $(PYTEST) -q -s -m 'not training' tests/exchange/test_recorded_book.py $(ARGS)

done-faults: .venv/.stamp-dev ## the adapter under each fault of the simulated exchange
	@$(PYTEST) -v tests/faults $(ARGS)

done-collect: .venv/.stamp-dev ## one collector under engines: killed, doubled, cut off, its notices lost
	@$(PYTEST) -v -m '' tests/data_faults/test_collector.py tests/market/test_from_database.py \
		tests/system/test_collecting.py $(ARGS)

done-clients: .venv/.stamp-dev ## the official SDK and python-binance on the simulator, counted
	@$(PYTEST) -q -m 'not training' tests/clients $(ARGS)

done-replay: .venv/.stamp-run ## a recorded week twice, compared byte for byte (DATA=DIR)
	@$(NEEDS_DATA)
	@$(call TWICE,)

done-busy: .venv/.stamp-run ## the same with busy.yaml: more trades, one of them stopped out
	@$(NEEDS_DATA)
	@$(call TWICE,--config busy.yaml)

done-import: .venv/.stamp-dev ## the recordings imported twice: rows, gaps, hours, built bars (DATA=DIR)
	@$(NEEDS_DATA)
	@REQUIRE=all $(PYTEST) -q -s -m 'not training' tests/system/test_importing.py $(ARGS)

done-dump: .venv/.stamp-dev ## dumps and restores, whole, damaged, interrupted and killed; two engines on one database
	@$(PYTEST) -v -m 'not training' tests/store/test_dump.py tests/store/test_interrupted_migrations.py \
		tests/store/test_locks.py tests/system/test_database.py tests/timescale/test_dump.py $(ARGS)

done-fuzz: .venv/.stamp-dev ## 10,000 broken messages into every parser, ten minutes or more (SEED=7)
	@RUSY_FUZZ_EXAMPLES=10000 $(PYTEST) -q -s tests/exchange/test_fuzz.py --timeout 0 $(ARGS)

.PHONY: done-store
done-store: .venv/.stamp-dev ## rows into the database and out of it, beside their goals (DATA=DIR: recorded bars)
	@$(BIN)/python -m benchmarks.store_goals

.PHONY: done-timescale
done-timescale: .venv/.stamp-dev ## a real TimescaleDB: repositories, policies, compression ratio, plans (node, npm)
	@REQUIRE=all $(PYTEST) -q -s -m 'not training' tests/timescale $(ARGS)

.PHONY: done-data-faults
done-data-faults: .venv/.stamp-dev ## database, disk, streams, clock, collectors fail: the table is the truth, or no entries
	@$(PYTEST) -v -m 'not training' tests/data_faults \
		tests/market/test_service.py tests/market/test_backfill.py \
		tests/engine/test_missing_bars.py tests/engine/test_ownership.py $(ARGS)

.PHONY: done-interleaving
done-interleaving: .venv/.stamp-dev ## events, pages, duplicates and revisions in any order give one table (1000 orders)
	@RUSY_INTERLEAVINGS=1000 $(PYTEST) -q -m 'not training' tests/market/test_interleaving.py --timeout 0 $(ARGS)
