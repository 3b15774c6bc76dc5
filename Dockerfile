# A server of classifiers, without torch:
#
#   docker build --tag photograft .
#   docker run --publish 127.0.0.1:8000:8000 --volume "$PWD/runs/first:/classifiers/first:ro" photograft
#
# Arguments behind its name replace /classifiers/first; PHOTOGRAFT_TOKEN asks clients for a secret.
FROM python:3.11-slim

WORKDIR /opt/photograft
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir '.[serve]'

RUN useradd --uid 10001 --create-home photograft
USER 10001
ENV PHOTOGRAFT_CACHE=/home/photograft/cache PYTHONUNBUFFERED=1

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=3)"]
# Without a shell between: SIGTERM has the server finish what is under way.
STOPSIGNAL SIGTERM
ENTRYPOINT ["photograft", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/classifiers/first"]
