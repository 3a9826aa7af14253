# Everything here works from a fresh clone with Python 3.11 or newer, a C++20 compiler with OpenMP, and make.
# PYTHON chooses the interpreter that .venv is made from, CXX the compiler (in the environment or on the command line).

SHELL := bash
VENV := .venv
BIN := $(VENV)/bin

# ---- Python and compiler --------------------------------------------------------------------------------------------

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && { echo $$python; break; }; done)

# Each compiler has its own build folder: object files of different compilers do not mix.
ifneq ($(filter environment command,$(firstword $(origin CXX))),)
  COMPILER := $(notdir $(firstword $(CXX)))
else
  COMPILER := default
endif
BUILD := build/cmake-$(COMPILER)

# ---- Sources --------------------------------------------------------------------------------------------------------

SOURCES := $(shell find csrc python -type f -not -name '*.pyc') CMakeLists.txt pyproject.toml $(wildcard README.md)
CXX_SOURCES := $(shell find csrc benchmarks -name '*.cpp' -o -name '*.h')

# ---- Targets --------------------------------------------------------------------------------------------------------

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo test test-all test-arm64 test-levels interop fuzz sanitize lint api-check docs format wheels reproduce release-check bench bench-history peers clean

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(VENV)/.installed ## Build the package and install it in .venv.

demo: $(VENV)/.installed ## Train a classifier of handwritten digits and print its report.
	@mkdir -p build/demo
	$(BIN)/fastnet train digits --out build/demo/digits.safetensors

# In as many processes as there are processors, four at most: each takes a gigabyte. One that is done takes over what another has left.
# Threads of NumPy's BLAS in each of them, which wait in busy loops, would take the processors from the others.
test interop: export OPENBLAS_NUM_THREADS := 1
test: $(VENV)/.installed $(VENV)/.test ## Run all tests against the installed package.
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

# TESTS holds arguments of pytest, PYTHONS versions, as in: make test-all PYTHONS="3.12 3.13t" TESTS='-m "not slow"'
test-all: $(VENV)/.created ## Run all tests on every Python from 3.11 up that is at hand.
	$(BIN)/python tools/pythons.py $(if $(PYTHONS),--only $(PYTHONS)) -- $(TESTS)

# In QEMU a test takes 20 to 50 times as long: a few of each part of the core. TESTS replaces them.
EMULATED_TESTS := activations functional_losses gemm int8_kernels layers normalization optimizers rows small sparse steps threads trainable
ARM64_TESTS := $(EMULATED_TESTS) bfloat16 core_images gradients isa nan
test-arm64: $(VENV)/.build ## Compile for arm64 and run tests of the core in QEMU (Debian and Ubuntu).
	$(BIN)/python tools/arm64.py $(or $(TESTS),-m "not slow" $(ARM64_TESTS:%=tests/test_%.py))

test-levels: $(VENV)/.installed $(VENV)/.test ## Run tests of the core on x86-64 with SSE3 alone and with AVX2, in QEMU (Linux).
	$(BIN)/python tools/levels.py $(or $(TESTS),-m "not slow" $(EMULATED_TESTS:%=tests/test_%.py))

# What the other tests skip where these libraries are not installed. PyTorch first, as in `peers`.
interop: $(VENV)/.installed $(VENV)/.test ## Test with PyTorch and Keras themselves, which are downloaded.
	$(BIN)/python -m pip install --quiet 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet 'keras>=3.10' 'onnxscript>=0.5'
	KERAS_BACKEND=torch $(BIN)/python -m pytest -n logical --maxprocesses 4 -k installed \
		tests/test_state_dict.py tests/test_torch_images.py tests/test_torch_export.py tests/test_torch_classes.py \
		tests/test_keras_files.py tests/test_keras_export.py tests/test_keras_blocks.py \
		tests/test_onnx_import.py tests/test_onnx_exporters.py tests/test_oracle.py tests/test_missing_names.py \
		tests/test_more_activations.py

# FUZZ holds options, as in: make fuzz FUZZ="--seconds 600 onnx csv"
fuzz: $(VENV)/.installed $(VENV)/.test $(VENV)/.fuzz ## Fuzz everything that reads a file or a request (60 s each; Linux and macOS).
	cd tests && ../$(BIN)/python -m fuzz $(FUZZ)

# A build of its own in build/sanitize, which Python finds before that of .venv, and the tests that lead into most of the C++.
# Without its runtime and C++'s in Python from the start, the sanitizer sees neither allocations nor exceptions. Python itself leaks, and
# tests ask for more memory than there is.
SANITIZED := build/sanitize
SANITIZED_TESTS := activations bad_input bfloat16 core_images core_images_refused core_layers functional_losses gemm gradients int8_kernels isa layers losses \
	more_activations nan normalization optimizers packed_kernels quantization random_layers robustness robustness_network rows \
	shared_models small sparse sparse_input steps threads trainable training
sanitize: $(SANITIZED)/.installed $(VENV)/.test ## Run the tests of the C++ core under ASan and UBSan (gcc on Linux).
	PYTHONPATH=$(SANITIZED) LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
		$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal -m "not slow" \
		$(SANITIZED_TESTS:%=tests/test_%.py)

lint: $(VENV)/.installed $(VENV)/.test $(VENV)/.lint api-check ## Check formatting, style, types and public names.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=python $(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/rumdl check --quiet .
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/repo-review --show err .
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)

api-check: $(VENV)/.test ## Check that what was public in the last tagged version still works.
	$(BIN)/python docs/tools/api_check.py

# Warnings, such as a link that leads nowhere, are errors. The pictures need what the programs of the pages import: the tests' group.
docs: $(VENV)/.installed $(VENV)/.test $(VENV)/.docs ## Build the documentation site in build/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The site is in build/site: open build/site/index.html, or serve it: python3 -m http.server -b 127.0.0.1 -d build/site"

format: $(VENV)/.lint ## Format the Python and C++ sources.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CXX_SOURCES)

# PYTHONS holds versions, as in: make wheels PYTHONS="3.12 3.13t"
wheels: $(VENV)/.build $(VENV)/.release ## Build the source distribution and a wheel for each Python at hand, in dist.
	$(BIN)/python tools/wheels.py $(if $(PYTHONS),--only $(PYTHONS))
	@touch build/wheels/.built

# Build anew what is older than the sources.
build/wheels/.built: $(SOURCES) $(wildcard tools/*wheel*.py)
	$(MAKE) wheels

reproduce: $(VENV)/.build $(VENV)/.release ## Build them again in another folder, and compare them with dist byte by byte.
	$(BIN)/python tools/wheels.py --again $(if $(PYTHONS),--only $(PYTHONS))

# TESTS holds arguments of pytest. MNIST is trained on, too, where FASTNET_DATA has it.
release-check: build/wheels/.built $(VENV)/.release ## Check the files in dist as whoever installs them finds them.
	$(BIN)/python tools/release_check.py -- $(TESTS)

# BENCH holds options, as in: make bench BENCH="--quick --peers numpy,torch"
bench: $(VENV)/.installed $(VENV)/.bench ## Measure fastnet side by side with the peers that are installed (60 to 80 minutes).
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks $(BENCH)

bench-history: $(VENV)/.created $(VENV)/.bench ## Record the last `make bench` by commit and processor, and draw its history.
	$(BIN)/python -m benchmarks.history

# PyTorch first: it decides which versions of its dependencies the others share.
peers: $(VENV)/.created ## Install the libraries that the benchmark compares with.
	$(BIN)/python -m pip install --quiet 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --group peers

clean: ## Remove everything that these targets made.
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .nox .pytest_cache .ruff_cache .rumdl_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- How ------------------------------------------------------------------------------------------------------------

# The files $(VENV)/.<name> record when their step was last done. Dependency groups need pip 25.1.
$(VENV)/.created:
	@[ -n "$(PYTHON)" ] || { echo "fastnet needs Python 3.11 or newer, and no python3 here is;" \
		"install one or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fastnet needs Python 3.11 or newer; " \
		+ sys.executable + " is " + sys.version.split()[0])'
	@"$(PYTHON)" -c 'import venv, ensurepip' 2> /dev/null || { echo "$(PYTHON) cannot make virtual environments;" \
		"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.build $(VENV)/.test $(VENV)/.fuzz $(VENV)/.lint $(VENV)/.docs $(VENV)/.bench $(VENV)/.release: $(VENV)/.%: pyproject.toml $(VENV)/.created
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

# Build without isolation in a folder that stays: after a change, only what depends on it is compiled again.
$(VENV)/.installed: $(SOURCES) $(VENV)/.compiler $(VENV)/.build
	@echo "Building fastnet in $(BUILD) ..."
	@$(BIN)/python -m pip install --quiet --no-build-isolation --config-settings=build-dir=$(BUILD) ".[progress]"
	@touch $@

$(SANITIZED)/.installed: $(SOURCES) $(VENV)/.build
	@echo "Building fastnet with sanitizers in $(BUILD)-sanitized ..."
	@$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --upgrade --target $(SANITIZED) \
		--config-settings=build-dir=$(BUILD)-sanitized --config-settings=cmake.define.FASTNET_SANITIZE=ON .
	@touch $@

# The name of the compiler that built what is installed; rewritten, hence newer, when that changes.
$(VENV)/.compiler: $(VENV)/.created FORCE
	@echo $(COMPILER) | cmp --silent - $@ || echo $(COMPILER) > $@

.PHONY: FORCE
FORCE:
