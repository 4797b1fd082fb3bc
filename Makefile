# SPDX-License-Identifier: Apache-2.0
# make demo   sets up and runs the main job on a network that comes with the project
# make test   sets up and runs every test
# make build  .venv with tightrope installed, build/ with the command line
# make bench  measures against NNCF; prints ratios
# make fuzz   compares the reference placement with NNCF's on COUNT random models, from number SEED on
# make package  dist/: sdist, wheel, Debian packages
# make check-packages  tests them in a new environment
# make lint   format, types, layers; the docs without a warning
# make docs   the pages of docs/ with the reference of the interfaces, in build/docs/html
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test browser mpi shells build bench fuzz package check-packages lint docs format clean

PYTHON := .venv/bin/python
JOBS ?= $(shell nproc)
COUNT ?= 2000
SEED ?= 0
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet install
CPP_SOURCES := $(shell find include src cli python/src tests benchmarks examples -name '*.h' -o -name '*.cpp' -o -name CMakeLists.txt)
PAGE_FILES := $(wildcard src/report_page/web/* third_party/d3/*)
PYTHON_SOURCES := $(shell find python/tightrope python/tightrope_command -name '*.py' -o -name '*.pyi' -o -name py.typed)
CMAKE_FILES := CMakeLists.txt CMakePresets.json $(wildcard cmake/*)

demo: .venv/tightrope.stamp .venv/demo.stamp
	$(PYTHON) examples/demo.py

test: build .venv/test.stamp .venv/demo.stamp browser mpi shells
	cd build && ctest --output-on-failure -j $(JOBS)
	TIGHTROPE_BINARY=$(CURDIR)/build/tightrope $(PYTHON) -m pytest

# The report page is tested in Chromium; where it can't be installed, those tests are skipped and say so.
browser:
	scripts/install_debian_packages.sh chromium || echo "Tests in a browser will be skipped."

mpi:
	scripts/install_debian_packages.sh openmpi-bin || echo "Tests with mpirun will be skipped."

# So is the completion of commands in zsh and fish.
shells:
	scripts/install_debian_packages.sh zsh fish || echo "Tests of completion in zsh and fish will be skipped."

build: .venv/tightrope.stamp build/built.stamp

bench: build .venv/test.stamp
	$(PYTHON) benchmarks/run.py

fuzz: build .venv/test.stamp
	$(PYTHON) tests/fuzz/placement_fuzz.py --count $(COUNT) --seed $(SEED) --jobs $(JOBS)

package: .venv/tightrope.stamp .venv/package.stamp
	scripts/install_debian_packages.sh help2man dpkg-dev file
	scripts/make_packages.sh

check-packages: package
	scripts/check_packages.sh

lint: build docs .venv/lint.stamp .venv/test.stamp
	scripts/lint.sh

# Links and references that lead nowhere are warnings, and those are errors.
docs: build .venv/docs.stamp
	scripts/install_debian_packages.sh doxygen
	$(PYTHON) -m sphinx --fail-on-warning --keep-going --quiet --builder html --conf-dir docs . build/docs/html

format: .venv/lint.stamp
	git ls-files '*.h' '*.cpp' | xargs .venv/bin/clang-format -i
	.venv/bin/ruff format -q .
	.venv/bin/ruff check -q --fix .

clean:
	rm -rf build build-* .venv

# One build tree holds the library, the command line, the tests and the Python extension.
.venv/tightrope.stamp: build/products.stamp $(PYTHON_SOURCES) pyproject.toml VERSION
	$(PIP) --no-deps --no-build-isolation --force-reinstall . --config-settings=build-dir=build/wheel \
	  --config-settings=cmake.define.TIGHTROPE_PREBUILT=$(CURDIR)/build
	touch $@

build/products.stamp: $(CPP_SOURCES) $(PAGE_FILES) $(CMAKE_FILES) VERSION .venv/build.stamp
	test -e build/build.ninja || cmake --preset release
	cmake --build build --parallel $(JOBS) --target tightrope_binary _core
	touch $@

# The same with the tests and benchmarks.
build/built.stamp: build/products.stamp
	cmake --build build --parallel $(JOBS)
	touch $@

.venv/build.stamp: .venv/created.stamp pyproject.toml
	$(PIP) $$($(PYTHON) scripts/requirements.py build)
	touch $@

.venv/%.stamp: .venv/created.stamp pyproject.toml
	$(PIP) $$($(PYTHON) scripts/requirements.py $*)
	touch $@

.venv/created.stamp: scripts/install_debian_packages.sh scripts/install_onnxruntime_headers.sh
	scripts/install_debian_packages.sh
	test -x $(PYTHON) || python3 -m venv .venv
	scripts/install_onnxruntime_headers.sh .venv/onnxruntime
	touch $@
