# For a checkout: needs Python 3.11 or newer and make; everything else goes into .venv.

ARGS =
PYTHON =
export PYTHON

PY = .venv/bin/python

# Tests of what people see bear a busy machine: two at a time. The rest measure time: one by one.
HARDY = $(addprefix tests/,deploy examples explain exporters ledger native routing tools web/page \
	$(addprefix test_,$(addsuffix .py,architecture documents hostile_names site tally)))

# $(call tests,which): runs them all, or those of a marker.
define tests
status=0; \
$(PY) -m pytest $(1) -n 2 --dist loadfile $(HARDY) || status=$$?; \
$(PY) -m pytest $(1) $(addprefix --ignore=,$(HARDY)) || status=$$?; \
exit $$status
endef

.NOTPARALLEL:
.PHONY: help demo test test-slow test-all check coverage coverage-c fuzz bench dashboards docs docs-build wheel clean

help:
	@echo "make demo    serve the demo on 127.0.0.1:8000 and name its culprits; Ctrl-C ends it"
	@echo "             ARGS=\"--seconds 20 --loop uvloop --port 8001\""
	@echo "make test    run the tests that a change needs;  ARGS=\"tests/test_architecture.py -v\""
	@echo "make test-slow   run the others: servers, Prometheus, Chromium, PostgreSQL"
	@echo "make test-all   all tests, the C code by gcc's sanitizers, and many random programs"
	@echo "make coverage   branches of loopwatch/ that the tests of make test reach; coverage-c: of the C code"
	@echo "make fuzz    2,000 random programs, watched and bare"
	@echo "make check   ruff and mypy"
	@echo "make bench   measure what loopwatch costs (wants valgrind);  ARGS=\"--quick\""
	@echo "make dashboards   make Grafana's dashboards anew from deploy/dashboards/"
	@echo "make docs    serve the documentation on 127.0.0.1:8080;  ARGS=--build writes it into site/"
	@echo "make docs-build   write it into site/, and fail on any warning"
	@echo "make wheel   build sdist and wheel into dist/, try both in empty environments"
	@echo "make clean   remove .venv and whatever else make has made"
	@echo "PYTHON=...   the interpreter for .venv; by default the newest from 3.11 on"

demo:
	@.ci/venv demo
	@$(PY) -m examples.demo $(ARGS)

test:
	@.ci/venv check
ifeq ($(strip $(ARGS)),)
	@$(call tests,-m "not slow")
else
	@$(PY) -m pytest $(ARGS)
endif

test-slow:
	@.ci/venv check
	@$(call tests,-m slow)

test-all:
	@.ci/venv check
	@status=0; \
	($(call tests)) || status=$$?; \
	.ci/sanitize || status=$$?; \
	$(PY) -m tests.fuzz --seeds 8000 || status=$$?; \
	$(PY) -m tests.fuzz --seeds 8000 --first 8000 --slow 0.001 || status=$$?; \
	exit $$status

# A tracer slows what is timed, and changes bytecode: some tests fail under it, and make test judges.
coverage:
	@.ci/venv coverage
	-@$(PY) -m coverage run -m pytest -m "not slow" $(ARGS)
	@$(PY) -m coverage report

coverage-c:
	@.ci/venv check
	@.ci/coverage-c $(ARGS)

fuzz:
	@.ci/venv check
	@$(PY) -m tests.fuzz --seeds 2000 --slow 0.001 $(ARGS)

check:
	@.ci/venv check
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy loopwatch pytest_loopwatch.py deploy examples tests benchmarks

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
	@.ci/venv release
	@.ci/wheel

clean:
	rm -rf .venv build dist site *.egg-info loopwatch/_speedups.*.so .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
