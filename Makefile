# make demo   places found again, on a fresh machine; PHOTOS=~/Pictures for one's own photos
# make test   the quick test suite
# make page   the page that `solar serve` shows, from page/ into solar/web/static/; needs Node.js
# make docs   the site, into site/; to look at it: python3 -m http.server -d site
# make check  linters, types, contracts, the core in an environment of its own, all tests: for CI

PYTHON ?= python3
PHOTOS ?=
BIN := .venv/bin
DEMO := .venv-demo/bin
# One more than cores: some tests wait, for what they start.
WORKERS = $(shell $(BIN)/python -c "from solar.files.threads import cores; print(cores() + 1)")

.PHONY: demo test page docs check core whole clean

demo: .venv-demo/installed
	$(DEMO)/python -m solar.demo $(if $(PHOTOS),--photos "$(PHOTOS)")

test: .venv/installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not milvus and not ray and not exhaustive and not browser and not sfm"

page: page/node_modules/installed
	cd page && npm run --silent check && npm run --silent test && npm run --silent build

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

check: .venv/installed page
	git diff --exit-code --stat -- solar/web/static
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory core whole

core: .venv/installed
	$(BIN)/python -m tests.core_environment .venv-core

# Files in order: sorted by how many tests they have, those of few and long tests would come last,
# and one of them would keep a single core busy at the end.
whole: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not exhaustive" \
		--durations=40 --durations-min=5

clean:
	rm -rf .venv .venv-core .venv-demo demo site page/node_modules

# What the lock file names, no script of a package run.
page/node_modules/installed: page/package-lock.json
	cd page && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# pip is told to keep quiet but for errors; torch alone takes a minute to arrive. Who only searches,
# as the demo does, needs no torch.
.venv/installed: EXTRA := dev
.venv-demo/installed: EXTRA := demo
.venv/installed .venv-demo/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	@echo "installing Solar and what it needs (about two minutes, once) ..."
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRA)]"
	@touch $@
