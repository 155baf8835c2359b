# What an agent works with: git, and what is needed to build and test most projects.
# Built by `forgehand images build`; for the legacy builder too, so no mounts and no here-documents.
ARG BASE=debian:bookworm-slim
FROM $BASE

# Certificates this machine's administrator added, and an empty file because one source must exist.
COPY ca/* /usr/local/share/ca-certificates/
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

# Claude Code, "" = none. Flags and output of its versions differ, so one is pinned, the one the tests know.
# It is one program that needs no Node; what npm leaves beside it is a second copy.
ARG CLAUDE_CODE=2.1.330
RUN [ -z "$CLAUDE_CODE" ] || { \
        export HOME=/tmp/build npm_config_cache=/tmp/build/npm \
        && npm install --prefix /tmp/build --no-audit --no-fund "@anthropic-ai/claude-code@$CLAUDE_CODE" \
        && install /tmp/build/node_modules/.bin/claude /usr/local/bin/claude \
        && claude --version \
        && rm -rf /tmp/build; \
    }

# The relay is all that a closed sandbox needs to reach its gateway.
COPY forgehand-demo-agent forgehand-relay /usr/local/bin/
ARG AGENT_UID=10001
RUN useradd --uid "$AGENT_UID" --create-home --shell /bin/bash agent && mkdir -p /workspace /task
ENV HOME=/home/agent
