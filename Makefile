# For a checkout: needs Python 3.11 or newer and make; everything else goes into .venv.

ARGS =
PYTHON =
export PYTHON

PY = .venv/bin/python

# Tests of what people see bear a busy machine: two at a time. The rest measure time: one by one.
HARDY = $(addprefix tests/,deploy explain exporters tools web/page)

.NOTPARALLEL:
.PHONY: help demo test test-all check bench dashboards docs docs-build wheel clean

help:
	@echo "make demo    serve the demo on 127.0.0.1:8000 and name its culprits; Ctrl-C ends it"
	@echo "             ARGS=\"--seconds 20 --loop uvloop --port 8001\""
	@echo "make test    run the tests;  ARGS=\"tests/test_architecture.py -v\""
	@echo "make test-all   the same, the C code by gcc's sanitizers, and many random programs"
	@echo "make check   ruff and mypy"
	@echo "make bench   measure what loopwatch costs (wants valgrind);  ARGS=\"--quick\""
	@echo "make dashboards   make Grafana's dashboards anew from deploy/dashboards/"
	@echo "make docs    serve the documentation on 127.0.0.1:8080;  ARGS=--build writes it into site/"
	@echo "make docs-build   write it into site/, and fail on any warning"
	@echo "make wheel   build the wheel into dist/ and try it in a fresh environment"
	@echo "make clean   remove .venv and whatever else make has made"
	@echo "PYTHON=...   the interpreter for .venv; by default the newest from 3.11 on"

demo:
	@.ci/venv demo
	@$(PY) -m examples.demo $(ARGS)

test:
	@.ci/venv check
ifeq ($(strip $(ARGS)),)
	@status=0; \
	$(PY) -m pytest -n 2 --dist loadfile $(HARDY) || status=$$?; \
	$(PY) -m pytest $(addprefix --ignore=,$(HARDY)) || status=$$?; \
	exit $$status
else
	@$(PY) -m pytest $(ARGS)
endif

test-all:
	@status=0; \
	$(MAKE) --no-print-directory test ARGS= || status=$$?; \
	.ci/sanitize || status=$$?; \
	$(PY) -m tests.fuzz --seeds 8000 || status=$$?; \
	$(PY) -m tests.fuzz --seeds 8000 --first 8000 --slow 0.001 || status=$$?; \
	exit $$status

check:
	@.ci/venv check
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy loopwatch deploy examples tests benchmarks

bench:
	@.ci/venv bench
	@$(PY) benchmarks/cost.py $(ARGS)

dashboards:
	@.ci/venv check
	@$(PY) -m deploy.dashboards

docs:
	@.ci/venv docs
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs $(if $(filter --build,$(ARGS)),build,serve \
		--dev-addr 127.0.0.1:8080) $(filter-out --build,$(ARGS))

docs-build:
	@$(MAKE) --no-print-directory docs ARGS=--build

wheel:
	@.ci/venv
	@.ci/wheel

clean:
	rm -rf .venv build dist site *.egg-info loopwatch/_speedups.*.so .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
