# make app starts the app, make test runs the tests; each sets up .venv by itself, once.
PYTHON ?= python3
PORT ?= 8501
# Waiting threads sleep instead of spinning: beside another busy process spinning costs minutes.
export OMP_WAIT_POLICY ?= PASSIVE
# Two pools of freed memory for a server of many threads, not eight for each core.
export MALLOC_ARENA_MAX ?= 2
# Streamlit does not start without a home folder, which an unknown user id in a container lacks.
export HOME ?= /tmp

VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
APP_READY := $(VENV)/.app-ready
TESTS_READY := $(VENV)/.tests-ready

.PHONY: app test test-slow fuzz coverage bench reports screenshots tense tense-heldout lint browser postgresql

app: $(APP_READY)
	@echo "The app is at http://localhost:$(PORT) (Ctrl+C stops it)."
	@$(VENV)/bin/python -m streamlit run app.py --server.port $(PORT) --server.headless true \
		--browser.serverAddress localhost --browser.gatherUsageStats false

test: lint browser
	$(VENV)/bin/python -m pytest

test-slow: $(TESTS_READY) browser postgresql
	$(VENV)/bin/python -m pytest -m slow -n 0  # one at a time: they measure and kill

fuzz: $(TESTS_READY)
	$(VENV)/bin/python -m pytest -m fuzz

coverage: $(TESTS_READY) browser
	$(VENV)/bin/python -m pytest --cov=cvae_core --cov-report=term

bench: $(TESTS_READY)
	$(VENV)/bin/python -m benchmarks.scale

# The three reports' trainings, DATA=train.txt: about seven hours on two cores; resumes after an interruption.
reports: $(TESTS_READY)
	$(VENV)/bin/python -m benchmarks.reports --data $(DATA)

# Every page and view at three widths in both themes, in screenshots/.
screenshots: browser
	$(VENV)/bin/python -m scripts.screenshots

# The shipped models of verbs. PROCESSES=2 on two cores.
PROCESSES ?= 1
TRAIN := $(VENV)/bin/python -m torch.distributed.run --nproc-per-node $(PROCESSES) -m cvae_core train tense

# Fine-tuned on every verb of the dictionary, from weights that have not seen the validation and test verbs.
tense: checkpoints/tense-third.safetensors
	$(TRAIN) --preset best-all --init tense-third --out tense-all --pack float16
	$(TRAIN) --preset best-all-end --init tense-all --out tense-all-end --pack float16
	$(TRAIN) --preset best-all-last --init tense-all-end --seed 5 --out tense-all-last --pack float16
	$(VENV)/bin/python -m scripts.average tense tense-all-end tense-all-end tense-all-last

# Not trained on these verbs: five steps, all but the first with a frozen encoder. The third is trained with two seeds
# and the fourth with three, whose weights are averaged. The softmax temperature is fitted last.
tense-heldout: checkpoints/tense-third.safetensors
	for seed in 0 1 2; do $(TRAIN) --preset best-end --init tense-third --seed $$seed --out tense-end-$$seed --pack float16 || exit; done
	$(VENV)/bin/python -m scripts.average tense-fourth tense-end-0 tense-end-1 tense-end-2
	$(TRAIN) --preset best-own --init tense-fourth --seed 1 --out tense-heldout --pack float16
	$(VENV)/bin/python -m benchmarks.temperature --checkpoint tense-heldout --write

checkpoints/tense-third.safetensors: checkpoints/tense-first.safetensors
	$(TRAIN) --preset best-rest --init tense-first --out tense-second --pack float16
	for seed in 0 1; do $(TRAIN) --preset best-last --init tense-second --seed $$seed --out tense-third-$$seed --pack float16 || exit; done
	$(VENV)/bin/python -m scripts.average tense-third tense-third-0 tense-third-1

checkpoints/tense-first.safetensors: | $(TESTS_READY)
	$(TRAIN) --out tense-first --pack float16

lint: $(TESTS_READY)
	$(VENV)/bin/python -m ruff check
	$(VENV)/bin/python -m ruff format --check
	$(VENV)/bin/python -m mypy

# A stamp is newer than its list when everything on the list is installed.
$(APP_READY): requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed and $(PYTHON) is $$($(PYTHON) --version 2>&1): try make PYTHON=python3.12."; \
		exit 1; }
	@echo "Setting up $(VENV): some minutes, once."
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make $(VENV): Debian and Ubuntu need apt-get install python3-venv."; exit 1; }
	@$(PIP) -r requirements.txt
	@touch $@

$(TESTS_READY): requirements-dev.txt $(APP_READY)
	@$(PIP) -r requirements-dev.txt
	@touch $@

# A Debian package, installed where root may: $(call debian,whether it is there,its name,the package,what needs it)
define debian
@$(1) || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing $(2) for $(4)."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(3); \
	else \
		echo "$(2) is missing and only root can install it: run apt-get install $(3) for $(4)."; \
	fi; }
endef

# The browser tests drive Debian's Chromium.
browser:
	$(call debian,command -v chromium >/dev/null,Chromium,chromium,the browser tests)

# The slow tests of sweeps start a server of their own.
postgresql:
	$(call debian,test -d /usr/lib/postgresql,PostgreSQL,postgresql,the slow tests)
