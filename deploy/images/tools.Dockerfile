# The runner's own tools: git and a shell. Prepare, export and removal of a workspace run in it.
# Built by `forgehand images build`; for the legacy builder too, so no mounts and no here-documents.
ARG BASE=debian:bookworm-slim
FROM $BASE
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
