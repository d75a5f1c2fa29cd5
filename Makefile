# `make demo` and `make test` do all their own set-up in .venv; `make help` lists the rest.

VENV = .venv
BIN = $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Nothing is built in isolation: pip would then fetch the newest setuptools, whatever constraints.txt says.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --constraint constraints.txt
REQUIREMENTS = setup.cfg pyproject.toml constraints.txt

# What builds and runs images: docker or podman; apptainer for container-test.
ENGINE ?= docker
IMAGE ?= bids_deeptaskgen:latest
SIF ?= bids_deeptaskgen.sif
# Where benchmarks keep their data; a run that was broken off goes on there.
BENCHMARKS ?= benchmarks/runs
# .git does not travel into the images, so the version is asked here and handed over.
VERSION ?= $(shell $(BIN)/python -m setuptools_scm 2>/dev/null)

.PHONY: help demo test test-cpus lint faults benchmark benchmark-accuracy image sif container-test clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/runtime.stamp ## simulate a few people, predict their maps, draw one; all in ./demo
	$(BIN)/deeptaskgen demo demo

test: lint ## check style, types and layers, then run the tests (more arguments: PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

test-cpus: $(VENV)/test.stamp ## run the numerical tests as if on other processors (half an hour; PYTEST_ARGS)
	$(BIN)/python scripts/test_cpus.py -n 2 $(PYTEST_ARGS)

lint: $(VENV)/test.stamp ## check style, spelling, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: $(VENV)/test.stamp ## kill, stop, crowd and starve whole runs in every way we know of (minutes)
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS) tests

benchmark: $(VENV)/test.stamp ## time everything beside the plain way; writes docs/performance.md (half an hour)
	$(BIN)/python -m benchmarks.speed $(BENCHMARKS)/speed
	$(BIN)/python -m benchmarks.speed.page $(BENCHMARKS)/speed/benchmark.md docs/performance.md

benchmark-accuracy: $(VENV)/test.stamp ## simulate, train, fine-tune and score two cohorts; writes docs/results.md (an hour)
	$(BIN)/python -m benchmarks.accuracy $(BENCHMARKS)/accuracy
	$(BIN)/python -m benchmarks.accuracy.page $(BENCHMARKS)/accuracy/results.json docs/results.md

image: $(VENV)/tools.stamp ## build the Docker image (ENGINE=docker or podman, IMAGE=name:tag)
	$(ENGINE) build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

sif: $(VENV)/tools.stamp ## build the Apptainer image (SIF=file)
	apptainer build --build-arg VERSION=$(VERSION) $(SIF) Singularity.def

container-test: ## try an image as a stranger would (ENGINE=docker, podman or apptainer; IMAGE or SIF)
	ENGINE="$(ENGINE)" IMAGE="$(if $(filter %apptainer %singularity,$(ENGINE)),$(SIF),$(IMAGE))" tests/containers/try_image.sh

clean: ## remove all that these targets make here
	rm -rf $(VENV) $(BENCHMARKS) demo build dist test-results *.egg-info .hypothesis .*_cache

# Each stamp stands for a finished install, so that a second call installs nothing.
# The installs are editable: what runs is the source tree, and no edit asks for a new install.

$(VENV)/tools.stamp: constraints.txt
	@test -n "$(PYTHON)" || { \
	  echo "No Python 3.11 or newer on the PATH: install it, or name one with 'make PYTHON=/path/to/python3.11 ...'."; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) can make no virtual environment; on Debian and Ubuntu: apt install python3.11-venv"; \
	  rm -rf $(VENV); exit 1; }
	$(INSTALL) setuptools setuptools-scm wheel
	@touch $@

$(VENV)/runtime.stamp: $(VENV)/tools.stamp $(REQUIREMENTS)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/tools.stamp $(REQUIREMENTS)
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/runtime.stamp
