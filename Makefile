# Two commands on a fresh machine, each doing all its own set-up: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test fuzz test-deep pictures lint bench bench-loop bench-agent bench-plan bench-planner bench-ingest bench-living bench-people soak lock web
PY := .venv/bin/python

help:  ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup  ## a town, its vans, and a plan that changes while they drive (HEADLESS=1 MINUTES=3 OSM=file.osm.pbf FACTOR=30)
	@$(PY) -m roundsman_sim demo

test: setup-test lint  ## lint and every test but the long ones
	@.ci/pytest 'not deep'

fuzz: setup-test  ## the property tests once more, with new dice each time (TIMES=5)
	@for i in $$(seq $(or $(TIMES),1)); do HYPOTHESIS_PROFILE=fuzz .ci/pytest 'hypothesis and not deep' -q || exit 1; done

test-deep: setup-test  ## long faults and long walks
	@.ci/pytest deep

pictures: setup-test  ## the README's pictures anew, by the walks that show what is on them
	@$(PY) -m tests.e2e.readme_pictures

lint: setup  ## ruff, mypy --strict, the import rules
	@.venv/bin/ruff check -q . && .venv/bin/ruff format -q --check .
	@$(PY) -m mypy --no-error-summary
	@.venv/bin/lint-imports >.venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }

bench: bench-loop bench-agent bench-plan  ## every benchmark

bench-loop: setup  ## urgent order to screen, fixes lost or doubled, what a van costs
	@$(PY) -m roundsman_sim bench-loop

bench-agent: setup  ## what a van's program costs in bytes, CPU, memory and disk, and what it withstands (QUICK=1 ONLY="wire costs power visits fuzz")
	@$(PY) -m roundsman_sim bench-agent

bench-plan: setup  ## an order's change into a plan: insertion, judge and commit
	@$(PY) -m roundsman_hub bench plan

bench-planner: setup  ## plans against PyVRP, VROOM and OR-Tools alone, at equal CPU seconds (QUICK=1)
	@$(PY) -m roundsman_hub.bench_planner $(if $(QUICK),--quick)

bench-ingest: setup  ## ingest against \copy of the same rows, its cost, its lag, questions of 20 million rows (QUICK=1 ONLY="hypertable lags" ROUNDS=2 ROWS=100800000)
	@$(PY) -m roundsman_hub.bench_ingest $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ROWS),--rows $(ROWS)) $(if $(shell .ci/timescaledb-root),--timescaledb-root "$$(.ci/timescaledb-root)")

bench-living: setup  ## living against static plans on pretend days, the truth of arrival times, roads, urgent orders (QUICK=1: two days, eight minutes; the days go on in var/pretend-days)
	@$(PY) -m roundsman_sim.bench_living

bench-people: setup  ## customers' pages: bytes, open connections, windows at 300 tasks, privacy; the dispatcher's map (QUICK=1 ONLY="pages windows")
	@$(PY) -m roundsman_sim.bench_people $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

soak: setup  ## faults of every kind, then every fix looked for at generator, van and hub (FIXES=100000 FAULTS=40 SEED=1)
	@$(PY) -m roundsman_sim.soak

web: setup  ## build dashboards/web into the hub's package
	@.ci/web --force

lock: setup  ## recompute requirements.lock from pyproject.toml
	@$(PY) -m pip install -q uv && .venv/bin/uv pip compile -q --universal --python-version 3.11 --all-extras --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

setup:
	@.ci/setup
setup-test:
	@.ci/setup test
