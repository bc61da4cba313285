# make run: the main job. make test: every check. Both set up .venv first where that is needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test docs test-lowest torch schedulers quality mutants audit sbom schema lock

run: $(INSTALLED)
	$(BIN)/python -m tabtrail sample --if-missing
	$(BIN)/python -m tabtrail run

# The profile ci draws the same examples each time: one commit passes or fails always. Plain pytest draws new ones.
test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --hypothesis-profile=ci

# PyTorch for the nets of demand, of the version that the tests know. Where pip would take PyPI's build for CUDA (Linux, about 3 GB),
# set PIP_INDEX_URL to the address of the CPU wheels, which https://pytorch.org/get-started/locally names.
TORCH := 2.13.0
torch: $(INSTALLED)
	$(BIN)/python -c 'import sys; from importlib.util import find_spec as find; sys.exit(find("torch") is None)' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile torch==$(TORCH)

# The documentation as a site, with the references made from the code, every link followed: dist/docs/index.html.
docs: $(INSTALLED)
	$(BIN)/python docs/site/build.py dist/docs

# What is known of the product's quality: the tests with coverage, the load on the service, and the evidence of the default project.
quality: $(INSTALLED)
	mkdir -p output/quality
	$(BIN)/python -m pytest -n 2 --dist loadfile --hypothesis-profile=ci --cov=tabtrail --cov-report= \
	  --junitxml=output/quality/pytest.junit.xml
	$(BIN)/coverage json -q -o output/quality/coverage.json
	$(BIN)/python benchmarks/serving.py --output output/quality/serving.json
	$(BIN)/python -m tabtrail quality

# The suite at the lowest versions that pyproject.toml declares, in an environment of its own. Takes long; on request.
LOWEST := .venv-lowest
test-lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e '.[all,dev]'
	$(LOWEST)/bin/python -m pytest

# The files for Airflow and DVC, each run by its own program in an environment of its own (they do not resolve beside ours).
.venv-airflow .venv-dvc:
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check $(if $(findstring airflow,$@),apache-airflow==3.3.2,dvc==3.67.1)
schedulers: $(INSTALLED) .venv-airflow .venv-dvc
	TABTRAIL_SCHEDULERS=$(CURDIR) $(BIN)/python -m pytest tests/test_schedulers.py

# Small faults in the modules that compute numbers, and whether their tests see them. Takes long; on request.
mutants: $(INSTALLED)
	$(BIN)/python benchmarks/mutants.py --output benchmarks/results/mutants.json

# Known vulnerabilities of what is pinned. A report: it fails nothing, and least of all without a network.
audit: $(INSTALLED)
	@$(BIN)/python .ci/audit.py

# What is pinned as a CycloneDX bill of materials: dist/sbom.cdx.json.
sbom: $(INSTALLED)
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file dist/sbom.cdx.json

# Pinned with hashes, bytecode compiled; the project itself is installed in place.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tabtrail needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	touch $@

# The JSON Schema of the config, as it lies in the package for editors.
schema: $(INSTALLED)
	$(BIN)/python -m tabtrail config schema | $(BIN)/python -m json.tool --compact --no-ensure-ascii > src/tabtrail/config/schema.json

# Needs uv. Writes name==version with hashes and markers, no address of an index.
lock:
	uv pip compile --universal --generate-hashes --extra all --extra dev --extra docs --python-version 3.11 \
	  --no-emit-index-url --no-annotate --no-header --quiet pyproject.toml -o requirements.lock
