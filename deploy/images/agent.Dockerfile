# The image of agents: git, and the tools to build and test most projects. `forgehand images build` builds it.
# It must also build with Docker's legacy builder, so it uses no mounts and no here-documents.
ARG BASE=debian:bookworm-slim
FROM $BASE

# Certificates that this machine's administrator added, and an empty file because COPY needs at least one.
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

# npm and pip have their own certificates and would not use the system's.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

# Claude Code; "" installs none. Flags and output differ between versions, so the version of the tests is pinned.
# It is one program that does not need Node; npm would keep a second copy of it.
ARG CLAUDE_CODE=2.1.330
RUN [ -z "$CLAUDE_CODE" ] || { \
        export HOME=/tmp/build npm_config_cache=/tmp/build/npm \
        && npm install --prefix /tmp/build --no-audit --no-fund "@anthropic-ai/claude-code@$CLAUDE_CODE" \
        && install /tmp/build/node_modules/.bin/claude /usr/local/bin/claude \
        && claude --version \
        && rm -rf /tmp/build; \
    }

# A closed sandbox needs only the relay to reach its gateway.
COPY forgehand-demo-agent forgehand-relay /usr/local/bin/
ARG AGENT_UID=10001
RUN useradd --uid "$AGENT_UID" --create-home --shell /bin/bash agent && mkdir -p /workspace /task
ENV HOME=/home/agent
