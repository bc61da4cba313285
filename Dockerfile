# The service, from the base install: no training libraries. Dockerfile.train has them, deploy/mlflow/Dockerfile MLflow's server.
FROM python:3.13-slim AS serve
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH
# Where models of a bucket are kept: the rest of the file system may be read-only.
ENV TABTRAIL__PATHS__CACHE_DIR=/tmp/tabtrail
RUN python -m venv /opt/venv && useradd --system --uid 10001 --create-home tabtrail
WORKDIR /app
COPY requirements.lock pyproject.toml README.md ./
COPY src ./src
# The lock's versions as constraints: hashes are for `pip install -r` of the whole lock, which trains too.
RUN sed -nE 's/^([a-z0-9._-]+==[^ ]+( ;[^\\]*)?).*/\1/p' requirements.lock > pins.txt \
  && pip install --constraint pins.txt '.[s3]' && rm -rf src pyproject.toml README.md requirements.lock pins.txt \
  && install -d -o tabtrail models
COPY config_v2.yaml ./
USER tabtrail
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["tabtrail", "serve", "--host", "0.0.0.0", "--port", "8000"]
