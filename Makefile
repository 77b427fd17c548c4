# The front door. `make` alone says what there is; each target does its own set-up, and repeats are quick.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format bench docs new-plugin pins clean

# Interpreter for a new .venv; empty means the first below that fits.
PYTHON ?=
PYTHONS := python3.13 python3.12 python3.11 python3
# Passed on to the demo, pytest or the benchmarks: make test ARGS="plugins/codex-exec -k resume"
ARGS ?=
JOBS ?= 3

# Bytecode is written whatever the shell says, because start-up time counts; another project's environment is not ours.
export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PY := .venv/bin/python
UV := .venv/bin/uv
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
MEMBERS := . kernel plugin-sdk $(PLUGINS)
MANIFESTS := constraints.txt plugins $(addsuffix /pyproject.toml,$(MEMBERS))

# A stamp's name holds the tree's place, so that a copied tree does not run the code of the one it came from.
PLACE := $(firstword $(shell pwd | cksum))
RUN := .venv/.run-$(PLACE)
DEV := .venv/.dev-$(PLACE)
READY := $(if $(wildcard $(DEV)),$(DEV),$(RUN))

help: ## what you are reading
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="…" goes to pytest, the demo or the benchmarks; PYTHON=… makes .venv with that interpreter'

demo: $(READY) ## a whole agent session, without key and without internet
	@$(PY) contrib/demo/run.py $(ARGS)

test: $(DEV) ## all tests, file by file: what a file shares is made once
	$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(DEV) ## ruff, mypy --strict, layers
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) tools/check_imports.py

format: $(DEV) ## let ruff put right what it can
	$(PY) -m ruff check --fix --exit-zero
	$(PY) -m ruff format

bench: $(DEV) ## figures of tests/benchmarks, as ratios in one run
	$(PY) -m pytest -n 0 -s tests/benchmarks $(ARGS)

docs: $(DEV) ## write docs/reference/ anew from the code
	$(PY) tools/generate_reference.py

new-plugin: $(DEV) ## NAME=codex-tool-foo: a plugin that works, in plugins/
	@$(PY) tools/new_plugin.py "$(NAME)"
	@$(MAKE) --no-print-directory $(DEV)

pins: $(DEV) ## raise constraints.txt to the newest versions that fit
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate --group dev pyproject.toml > .venv/pins
	sed -n 's/^\([A-Za-z0-9._-]*==[^ ;]*\).*/\1/p' .venv/pins | LC_ALL=C sort > constraints.txt

clean: ## remove .venv and everything else that was made
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist build
	find kernel plugin-sdk plugins tests tools contrib -name __pycache__ -type d -prune -exec rm -rf {} +

# -- set-up ------------------------------------------------------------------------------------------

$(UV):
	@set -e; for py in $(if $(PYTHON),'$(PYTHON)',$(PYTHONS)); do \
	  if "$$py" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$("$$py" --version)"; \
	    "$$py" -m venv --clear .venv; \
	    $(PY) -m pip install --quiet --disable-pip-version-check --no-input --constraint constraints.txt uv; \
	    exit 0; \
	  fi; \
	done; \
	echo "No Python >= 3.11 that can make a venv was found ($(or $(PYTHON),$(PYTHONS)))." >&2; \
	echo "Install one (on Debian: python3 and python3-venv) or name one: make PYTHON=/path/to/python3.12" >&2; exit 1

$(RUN): $(MANIFESTS) | $(UV)
	@$(call install,)
$(DEV): $(MANIFESTS) | $(UV)
	@$(call install,--group dev)

# Plugins that have left the tree are uninstalled first: their entry points would lead nowhere.
define install
set -e; echo "Installing the workspace$(if $(1), and the development tools)"; \
gone=$$($(UV) pip list --quiet --python $(PY) --editable | awk -v here="$$(pwd -P)/plugins/" 'index($$0, here) { print $$1 }' \
  | grep -vxF $(addprefix -e ,$(notdir $(PLUGINS))) || true); \
[ -z "$$gone" ] || $(UV) pip uninstall --quiet --python $(PY) $$gone; \
$(UV) pip install --quiet --python $(PY) --compile-bytecode --constraint constraints.txt --build-constraint constraints.txt \
  $(addprefix -e ./,$(MEMBERS)) $(1); \
touch $@
endef
