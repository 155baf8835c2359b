# What an agent works with: git, and what is needed to build and test most projects.
# Built by `forgehand images build`; for the legacy builder too, so no mounts and no here-documents.
ARG BASE=debian:bookworm-slim
FROM $BASE

# Certificates this machine's administrator added. The Dockerfile is named because one source must exist.
COPY Dockerfile ca/*.cr[t] /usr/local/share/ca-certificates/
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        git git-lfs openssh-client ca-certificates curl wget \
        build-essential cmake ninja-build pkg-config autoconf automake libtool gdb \
        libssl-dev zlib1g-dev libffi-dev libsqlite3-dev \
        python3 python3-dev python3-venv python3-pip pipx python-is-python3 \
        nodejs npm \
        golang-go \
        ripgrep fd-find jq sqlite3 less file tree procps patch rsync \
        zip unzip xz-utils zstd bzip2 \
    && ln -s /usr/bin/fdfind /usr/local/bin/fd \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

# npm and pip bring certificates of their own and would not look at the system's.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

# Command lines of agents, for instance --build-arg NPM_PACKAGES="@openai/codex@0.169.0".
ARG NPM_PACKAGES=""
RUN [ -z "$NPM_PACKAGES" ] || { npm install --global $NPM_PACKAGES && npm cache clean --force; }

COPY forgehand-demo-agent /usr/local/bin/
ARG AGENT_UID=10001
RUN useradd --uid "$AGENT_UID" --create-home --shell /bin/bash agent && mkdir -p /workspace /task
ENV HOME=/home/agent
