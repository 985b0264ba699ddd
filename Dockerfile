FROM python:3.13-slim

WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY kms kms
COPY objstore objstore
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock \
  && pip install --no-cache-dir --no-deps --no-build-isolation . \
  && useradd --system --uid 10001 objstore \
  && install --directory --owner objstore --mode 0700 /data

USER objstore
VOLUME /data
EXPOSE 9000
ENV OBJSTORE_DATA=/data OBJSTORE_HOST=0.0.0.0
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9000/_/health')"]
ENTRYPOINT ["objstore"]
CMD ["serve"]
