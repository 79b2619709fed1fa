# What the image stands on, by its exact version; PYTHON_IMAGE=python@sha256:… pins it whole (docs/runbook.md, «Образы»)
ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm
FROM ${PYTHON_IMAGE}

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    SYNKRO_ENV=production \
    SYNKRO_DATA_DIR=/data

RUN useradd --create-home --uid 10001 synkro && mkdir /data /anchors && chown synkro /data /anchors && chmod 700 /data /anchors
WORKDIR /srv/synkro

# requirements-scale.lock for a fleet of machines: Celery workers, jobs of Kubernetes
ARG LOCK=requirements.lock
COPY requirements.lock requirements-scale.lock ./
RUN pip install --no-deps -r ${LOCK}

# the product and what it reads; no sandbox, tests or measurements: the demo is run from the source. Nobody writes here later
COPY pyproject.toml README.md LICENSE dagster.yaml ./
COPY analysis/ analysis/
COPY app/ app/
COPY cli/ cli/
COPY delivery/ delivery/
COPY ingestion/ ingestion/
COPY orchestration/ orchestration/
COPY services/ services/
COPY synkro/ synkro/
COPY supabase/ supabase/
COPY transforms/ transforms/
COPY deploy/celery/ deploy/celery/
RUN pip install --no-deps -e . && python -m compileall -q analysis app cli delivery ingestion orchestration synkro

USER synkro
VOLUME /data
ENTRYPOINT ["synkro"]
CMD ["serve", "--host", "0.0.0.0"]
