# The bot's own tools: git and a shell. Preparation, export and removal of a workspace run in this image.
# `forgehand images build` builds it, also with Docker's legacy builder: it uses no mounts and no here-documents.
ARG BASE=debian:bookworm-slim
FROM $BASE
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
