"""The hosts that pip, npm, go and apt report, and their fetches from those hosts through the gateway."""

import json
import socket
import uuid
from collections.abc import Iterator, Sequence

import pytest

from bot.gateway import ecosystems
from bot.gateway.package_proxy import PATTERN
from bot.sandbox.engine.containers import Engine
from bot.sandbox.images import build
from tests.gateway.open_gateway import OpenAccessFactory, head
from tests.gateway.package_host import PackageHost
from tests.gateway.without_network import output_in_a_sandbox
from tests.support.derived_image import image_with
from tests.support.images import small


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("https://pip.test/simple http://more.pip.test/simple", ["pip.test", "more.pip.test"]),
        ("https://pip.test/a\nhttps://pip.test/b", ["pip.test"]),
        ("https://go.test|https://two.go.test,direct\nhttps://off", ["go.test", "two.go.test"]),
        ("https://sum.go.test+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", ["sum.go.test"]),
        ("'http://apt.test/dists/x/InRelease' apt.test_dists_x_InRelease 0 ", ["apt.test"]),
        ("https://me:secret@Own.Test:443/npm/", ["own.test"]),
        ("http://own.test:80/", ["own.test"]),
        ("https://own.test:8443/ http://own.test:443/ https://own.test:x/ https://[::1", []),
        ("https://10.0.0.5/ https://[fd00::1]/ https://localhost/ https://*.own.test/ file:///srv/x", []),
    ],
)
def test_hosts_are_read_from_the_output_of_a_client(words: str, found: list[str]) -> None:
    assert ecosystems.hosts(f"a warning\n= npm\n{words}\n= go\n") == {"npm": found, "go": []}


CLIENTS = list(ecosystems.CLIENTS)
# The additions to an image that has its own package hosts.
OWN = """
USER root
RUN echo 'deb http://apt.example.org/debian stable main' >/etc/apt/sources.list
ENV PIP_INDEX_URL=http://pip.test/simple PIP_TRUSTED_HOST=pip.test \
    npm_config_registry=http://npm.example.org/ \
    GOPROXY=http://go.example.org,direct GOSUMDB="own+0 https://sum.example.org"
"""


@pytest.fixture
def engine() -> Engine:
    return Engine(url="", instance=f"test-{uuid.uuid4().hex[:12]}", uid=10001)


def asked_in(engine: Engine, image: str, names: Sequence[str] = CLIENTS) -> dict[str, list[str]]:
    name = f"forgehand-test-{uuid.uuid4().hex[:12]}"
    script = ecosystems.script(names)
    return ecosystems.hosts(
        engine.tool(name=name, image=image, script=script, args=[], mounts=[], seconds=60).decode()
    )


HOME = """
ENV HOME=/home/agent XDG_CONFIG_HOME=/home/agent/.config
WORKDIR /home/agent
COPY npm /usr/local/bin/
COPY .npmrc /home/agent/
COPY .npmrc /home/agent/.config/
"""
NPM = "#!/bin/sh\ncat .npmrc $HOME/.npmrc $XDG_CONFIG_HOME/.npmrc 2>/dev/null || echo https://npm.test/"


def test_settings_in_the_home_of_an_image_have_no_effect_in_a_run(engine: Engine) -> None:
    with image_with(small(), HOME, {"npm": NPM, ".npmrc": "https://never.asked.test/"}) as image:
        assert asked_in(engine, image, ["npm"]) == {"npm": ["npm.test"]}


@pytest.mark.agents
def test_the_agent_image_has_all_clients_and_each_reports_its_hosts(engine: Engine) -> None:
    found = asked_in(engine, build.AGENT)

    assert list(found) == CLIENTS
    assert len(found["pip"]) == 2  # the index, and the host of its files
    for hosts in found.values():
        assert hosts
        assert all(PATTERN.fullmatch(host) for host in hosts)


@pytest.fixture
def own_image() -> Iterator[str]:
    with image_with(build.AGENT, OWN) as made:
        yield made


@pytest.mark.agents
def test_an_image_with_its_own_hosts_reports_only_those(engine: Engine, own_image: str) -> None:
    assert asked_in(engine, own_image) == {
        "pip": ["pip.test"],
        "npm": ["npm.example.org"],
        "go": ["go.example.org", "sum.example.org"],
        "apt": ["apt.example.org"],
    }


ANSWERS = {
    "/simple/x/": '<!DOCTYPE html><a href="x-1.2-py3-none-any.whl">x-1.2-py3-none-any.whl</a>',
    "/x": json.dumps(
        {"name": "x", "dist-tags": {"latest": "2.3.4"}, "versions": {"2.3.4": {"version": "2.3.4"}}}
    ),
    "/own.test/x/@v/list": "v1.4.5\n",
    "/own.test/x/@v/v1.4.5.info": '{"Version": "v1.4.5"}',
    "/own.test/x/@v/v1.4.5.mod": "module own.test/x\n",
    "/debian/x": "4.5.6\n",
}
FETCHES = """
cd /tmp
export HOME=/tmp GONOSUMDB=own.test
exec 2>/tmp/warnings
pip index versions x | grep '^x '
npm view x version
go list -m -versions own.test/x
/usr/lib/apt/apt-helper -qq download-file http://apt.example.org/debian/x /tmp/x && cat x
"""


def serve(connection: socket.socket) -> None:
    """Answer the request of a client as its package host."""
    target = head(connection).split()[1]
    body = ANSWERS.get(target, "")
    status = "200 OK" if body else "404 Not Found"
    connection.sendall(
        f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )


@pytest.mark.agents
@pytest.mark.waits
def test_each_client_fetches_through_the_gateway(own_image: str, open_access: OpenAccessFactory) -> None:
    with PackageHost.running(serve) as host, open_access(host.net()) as access:
        said = output_in_a_sandbox(own_image, ["sh", "-c", FETCHES], access)

        assert said == ["x (1.2)", "2.3.4", "own.test/x v1.4.5", "4.5.6"], access.refused()
        assert list(dict.fromkeys(host.asked)) == [
            "pip.test",
            "npm.example.org",
            "go.example.org",
            "apt.example.org",
        ]
