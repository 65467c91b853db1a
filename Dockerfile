# docker build --target light .    reads runs: tables, reports, checks
# docker build .                   runs models on the CPU too
FROM python:3.12-slim AS light
COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source && useradd --create-home blindspots
USER blindspots
WORKDIR /work
ENTRYPOINT ["blindspots"]

FROM python:3.12-slim AS full
# A page or folder of torch's CPU wheels, as the selector on pytorch.org leads to; without it torch
# comes with its CUDA libraries.
ARG TORCH_WHEELS=""
COPY . /source
RUN pip install --no-cache-dir ${TORCH_WHEELS:+--find-links "$TORCH_WHEELS"} \
      "/source[explore,hf,torch]" \
    && rm -rf /source && useradd --create-home blindspots
USER blindspots
WORKDIR /work
ENTRYPOINT ["blindspots"]
