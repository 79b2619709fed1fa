FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    SYNKRO_ENV=production \
    SYNKRO_DATA_DIR=/data

RUN useradd --create-home --uid 10001 synkro && mkdir /data && chown synkro /data
WORKDIR /srv/synkro

COPY requirements.lock ./
RUN pip install -r requirements.lock

COPY . .
RUN pip install --no-deps -e .

USER synkro
VOLUME /data
ENTRYPOINT ["synkro"]
CMD ["serve", "--host", "0.0.0.0"]
