# Three images from one file: `mlflow` (its server), `train` (the service with all that trains) and, last and so by default, `serve`
# (the service, from the base install).
FROM python:3.13-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv && useradd --system --uid 10001 --create-home tabtrail
WORKDIR /app
COPY requirements.lock ./
# The lock's versions as constraints: hashes are for `pip install -r` of the whole lock, which trains too.
RUN sed -nE 's/^([a-z0-9._-]+==[^ ]+( ;[^\\]*)?).*/\1/p' requirements.lock > pins.txt

FROM base AS mlflow
RUN pip install --constraint pins.txt mlflow && install -d -o tabtrail /mlflow
USER tabtrail
VOLUME /mlflow
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=2)"]
CMD ["mlflow", "server", "--backend-store-uri", "sqlite:////mlflow/mlflow.db", "--artifacts-destination", "/mlflow/artifacts", "--host", "0.0.0.0", "--port", "5000"]

FROM base AS train
# LightGBM and scikit-learn compute with OpenMP, which the slim image lacks.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md ./
COPY src ./src
RUN pip install --constraint pins.txt '.[train]' && rm -rf src pyproject.toml README.md requirements.lock pins.txt \
  && install -d -o tabtrail data duckdb models output mlruns
COPY config_v2.yaml ./
USER tabtrail
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["tabtrail", "serve", "--host", "0.0.0.0", "--port", "8000", "--set", "serve.jobs=true"]

FROM base AS serve
COPY pyproject.toml README.md ./
COPY src ./src
RUN pip install --constraint pins.txt . && rm -rf src pyproject.toml README.md requirements.lock pins.txt && install -d -o tabtrail models
COPY config_v2.yaml ./
USER tabtrail
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["tabtrail", "serve", "--host", "0.0.0.0", "--port", "8000"]
