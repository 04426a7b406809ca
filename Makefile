# make demo    from nothing to a map: installs into .venv, generates a field, trains, segments, scores
# make test    installs what tests need, then lint, types and the tests (without the minutes-long ones)
# make plugin  the zip that QGIS installs, in dist/; RELEASE=1 asks for all that the plugin site asks for
# Other targets: test-all test-qgis lint bench accuracy clean

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The first Python >= 3.10 on the PATH; override with `make PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$p; break; }; done)
DEMO_OUT ?= demo
DEMO_SECONDS ?= 200

.PHONY: demo test test-all test-qgis lint plugin bench accuracy clean

demo: $(VENV)/.installed
	$(BIN)/nirlora demo --out $(DEMO_OUT) --seconds $(DEMO_SECONDS)

test: lint
	@$(BIN)/python tests/qgis/install.py
	$(BIN)/python -m pytest -m "not slow"

test-all: lint
	@$(BIN)/python tests/qgis/install.py
	$(BIN)/python -m pytest

# Only the tests inside QGIS's desktop, in every QGIS of the machine; see tests/qgis/run.py for one test.
test-qgis: $(VENV)/.installed-dev
	@$(BIN)/python tests/qgis/install.py
	$(BIN)/python -m pytest tests/qgis

# mypy finds the wire types where they are installed (nirlora.protocol) through a folder of links.
lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@rm -rf $(VENV)/typing && mkdir -p $(VENV)/typing/nirlora
	@ln -s $(CURDIR)/backend/nirlora/* $(CURDIR)/nir_lora_plugin/protocol $(VENV)/typing/nirlora/
	@ln -s $(CURDIR)/training_cli/nirlora_train $(VENV)/typing/
	MYPYPATH=$(VENV)/typing $(BIN)/mypy -p nirlora -p nirlora_train
	MYPYPATH=packaging:$(VENV)/typing $(BIN)/mypy packaging
	$(BIN)/mypy -p nir_lora_plugin

plugin: $(VENV)/.installed-dev
	$(BIN)/python packaging/make_plugin.py $(if $(RELEASE),--release)

bench: $(VENV)/.installed-dev
	@for name in segment_speed segment_memory training_step; do \
	  echo "== $$name"; $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

# Hours of training on real rasters (../shared/data or --data); finished runs are kept and not repeated.
accuracy: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/accuracy.py

clean:
	rm -rf $(VENV) $(DEMO_OUT) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.10 or newer on the PATH."; \
	  echo "hint: install one, or run make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "error: $(PYTHON) cannot make a virtual environment."; \
	  echo "hint: on Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }

# Stamps: nothing is installed again until pyproject.toml changes.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV); the first time this downloads torch, which is large"
	$(check_disk)
	$(BIN)/python -m pip install --quiet -e .
	$(check_torchvision)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV); the first time this downloads torch, which is large"
	$(check_disk)
	$(BIN)/python -m pip install --quiet -e '.[test,dev]'
	$(check_torchvision)
	@touch $@ $(VENV)/.installed

# torch with its CUDA libraries takes 7 GB, and pip up to 4 more while it unpacks them.
define check_disk
@$(BIN)/python -c 'import shutil; free = shutil.disk_usage(".").free / 1e9; \
  free > 11 or print(f"note: {free:.1f} GB are free here; a first installation needs up to 11")'
endef

define check_torchvision
@$(BIN)/python -c 'import torchvision' || { \
  echo "error: torchvision does not work with this torch (see above): they come from different builds."; \
  echo "hint: $(BIN)/python -m pip install --upgrade --force-reinstall torch torchvision"; exit 1; }
endef
