# Three images: the shop (web), the publisher beside it, and the downstream service (consumer).
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN useradd --system --uid 10001 --no-create-home app
WORKDIR /app
COPY constraints.txt ./

FROM base AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY outbox outbox
COPY publisher publisher
RUN pip wheel --no-deps --wheel-dir /dist .

FROM base AS publisher
RUN --mount=from=wheel,source=/dist,target=/dist \
    pip install --constraint constraints.txt "$(ls /dist/*.whl)[publisher]"
USER app
ENV PUBLISHER_HTTP=0.0.0.0:9464
EXPOSE 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.request import *; build_opener(ProxyHandler({})).open('http://' + os.environ['PUBLISHER_HTTP'] + '/healthz', timeout=2)"]
ENTRYPOINT ["outbox-publisher"]
CMD ["run"]

FROM base AS web
RUN --mount=from=wheel,source=/dist,target=/dist \
    pip install --constraint constraints.txt "$(ls /dist/*.whl)[django]" "psycopg[binary]" gunicorn pycountry rich
COPY manage.py ./
COPY examples examples
USER app
EXPOSE 8000
CMD ["sh", "-c", "python manage.py migrate && exec gunicorn --no-control-socket --bind 0.0.0.0:8000 --workers 2 examples.shop.wsgi"]

FROM base AS consumer
RUN --mount=from=wheel,source=/dist,target=/dist \
    pip install --constraint constraints.txt "$(ls /dist/*.whl)" "psycopg[binary]" kafka-python
COPY examples examples
USER app
CMD ["python", "-m", "examples.shop.replica"]
