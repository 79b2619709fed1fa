FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    SYNKRO_ENV=production \
    SYNKRO_DATA_DIR=/data

RUN useradd --create-home --uid 10001 synkro && mkdir /data && chown synkro /data
WORKDIR /srv/synkro

# requirements-scale.lock for a fleet of machines: Celery workers, jobs of Kubernetes
ARG LOCK=requirements.lock
COPY requirements.lock requirements-scale.lock ./
RUN pip install -r ${LOCK}

COPY . .
RUN pip install --no-deps -e .

USER synkro
VOLUME /data
ENTRYPOINT ["synkro"]
CMD ["serve", "--host", "0.0.0.0"]
