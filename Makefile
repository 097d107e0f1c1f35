# make demo   places found again, on a fresh machine; PHOTOS=~/Pictures for one's own photos
# make test   the quick test suite
# make check  linters, types, contracts, the core in an environment of its own, all tests: for CI

PYTHON ?= python3
PHOTOS ?=
BIN := .venv/bin
DEMO := .venv-demo/bin

.PHONY: demo test check clean

demo: .venv-demo/installed
	$(DEMO)/python -m solar.demo $(if $(PHOTOS),--photos "$(PHOTOS)")

test: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not exhaustive"

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.core_environment .venv-core
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not exhaustive"

clean:
	rm -rf .venv .venv-core .venv-demo demo

# pip is told to keep quiet but for errors; torch alone takes a minute to arrive. Who only searches,
# as the demo does, needs no torch.
.venv/installed: EXTRA := dev
.venv-demo/installed: EXTRA := demo
.venv/installed .venv-demo/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	@echo "installing Solar and what it needs (about two minutes, once) ..."
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRA)]"
	@touch $@
