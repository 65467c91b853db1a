# docker build --target light .    reads runs: tables, reports, checks
# docker build .                   runs models on the CPU too
FROM python:3.12-slim AS light
COPY . /source
RUN pip install --no-cache-dir /source && rm -rf /source && useradd --create-home blindspots
USER blindspots
WORKDIR /work
ENTRYPOINT ["blindspots"]

FROM python:3.12-slim AS full
# The address of PyTorch's own index of CPU wheels, as the selector on pytorch.org shows it; without
# it torch comes with its CUDA libraries.
ARG TORCH_INDEX=""
COPY . /source
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.10" "torchvision>=0.25"; fi \
    && pip install --no-cache-dir "/source[explore,hf,torch]" \
    && rm -rf /source && useradd --create-home blindspots
USER blindspots
WORKDIR /work
ENTRYPOINT ["blindspots"]
