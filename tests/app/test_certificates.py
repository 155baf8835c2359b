"""Certificate authorities: those of the settings are added to the system's, for every client."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from bot.app.certificates import report_untrusted, trust
from bot.app.settings.gateway import ModelSettings, providers
from bot.app.settings.settings import load
from bot.domain.errors import BadSettings, ForgeUnavailable, GitFailed, RemoteMissing
from bot.forges.github.client import GitHubClient
from bot.forges.gitlab.client import GitLabClient
from bot.gateway.upstream import Upstream
from bot.git.fetch import fetch
from bot.git.mirror import Mirror
from tests.support.refused_start import refused_start
from tests.support.scripted_server import Response, Server

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")
BEGIN = "-----BEGIN CERTIFICATE-----"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the environment after the test, which begins without these variables."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def openssl(arguments: str, at: Path) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=at, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Make a certificate authority, and a certificate for localhost that it has issued."""
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost")
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /O=Acme/CN=Acme-Root -keyout ca.key -out ca.pem",
        tmp_path,
    )
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out csr.pem", tmp_path)
    signing = "x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names"
    openssl(f"{signing} -days 2 -out own.pem", tmp_path)
    openssl(f"{signing} -days -1 -out expired.pem", tmp_path)
    return tmp_path / "ca.pem"


@pytest.fixture
def serve(authority: Path) -> Iterator[Callable[[str], Server]]:
    """Return a function that adds TLS with this certificate to a new server."""
    with Server.running() as server:

        def with_tls(certificate: str) -> Server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.with_name(certificate), authority.with_name("key.pem"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
            return server

        yield with_tls


def url_of(server: Server) -> str:
    return f"https://localhost:{server.server_port}"


def test_the_authorities_of_the_settings_are_added_to_those_of_the_system(authority: Path) -> None:
    bundle = authority.with_name("authorities.pem")
    for _ in range(2):  # a process may be started by one that has done the same
        trust(authority, bundle)

    merged, own = bundle.read_text(), authority.read_text()
    system = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    assert merged.count(BEGIN) == system.count(BEGIN) + 1
    assert own.strip() in merged
    assert {os.environ[name] for name in VARIABLES} == {str(bundle)}
    assert [path.name for path in authority.parent.glob("tmp*")] == []


def test_a_bundle_named_by_the_operator_stands_for_that_of_the_system(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.with_name("own.pem")))

    trust(authority, authority.with_name("authorities.pem"))

    assert authority.with_name("authorities.pem").read_text().count(BEGIN) == 2


def test_without_a_file_nothing_changes(tmp_path: Path) -> None:
    trust(None, tmp_path / "authorities.pem")

    assert list(tmp_path.iterdir()) == []
    assert not set(VARIABLES) & os.environ.keys()


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"\xff\xfe", BEGIN.encode()])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(BadSettings, match=r"\[tls\] ca_file: .*ca\.pem has no certificates"):
        trust(file, tmp_path / "authorities.pem")

    assert not (tmp_path / "authorities.pem").exists()


def test_the_setting_is_a_path_in_the_file_and_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "forgehand.toml"
    settings.write_text('[tls]\nca_file = "/etc/acme/ca.pem"\n')
    assert load(settings).tls.ca_file == Path("/etc/acme/ca.pem")

    monkeypatch.setenv("FORGEHAND_TLS__CA_FILE", "/etc/other/ca.pem")
    assert load(settings).tls.ca_file == Path("/etc/other/ca.pem")


@pytest.mark.parametrize("client", [GitHubClient, GitLabClient])
def test_a_forge_with_such_a_certificate_is_reached(
    serve: Callable[[str], Server], authority: Path, client: type[GitHubClient | GitLabClient]
) -> None:
    server = serve("own.pem")
    server.script = [Response(200, {"id": 7})]
    with pytest.raises(ForgeUnavailable):
        client(url_of(server), "token-x").ask("POST", "/x", json={})

    trust(authority, authority.with_name("authorities.pem"))

    assert client(url_of(server), "token-x").ask("POST", "/x", json={}).data == {"id": 7}


def test_a_provider_of_models_with_such_a_certificate_is_reached(
    serve: Callable[[str], Server], authority: Path
) -> None:
    server = serve("own.pem")
    server.script = [Response(200, {"id": 7})]
    provider = providers({"ours": ModelSettings(url=url_of(server))})["ours"]
    with pytest.raises(ssl.SSLCertVerificationError):
        Upstream(provider).send("/v1/messages", [], b"")

    trust(authority, authority.with_name("authorities.pem"))

    with closing(Upstream(provider)) as upstream:
        assert upstream.send("/v1/messages", [], b"").status == 200


def test_a_remote_with_such_a_certificate_is_reached_by_git(
    serve: Callable[[str], Server], authority: Path
) -> None:
    server = serve("own.pem")
    server.script = [Response(404)] * 4
    with pytest.raises(GitFailed, match="certificate"):
        fetch(Mirror(authority.with_name("m.git")), f"{url_of(server)}/acme/anvil", {})
    assert server.asked == []

    trust(authority, authority.with_name("authorities.pem"))

    with pytest.raises(RemoteMissing):
        fetch(Mirror(authority.with_name("m.git")), f"{url_of(server)}/acme/anvil", {})
    assert server.asked


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("own.pem", "unable to get local issuer certificate"), ("expired.pem", "unable to get local issuer")],
)
def test_an_untrusted_certificate_is_reported_with_its_issuer(
    serve: Callable[[str], Server], certificate: str, reason: str
) -> None:
    server = serve(certificate)

    with structlog.testing.capture_logs() as logs:
        report_untrusted([f"{url_of(server)}/api/v4", f"{url_of(server)}/acme", "http://localhost:1", ""])

    [line] = logs
    assert (line["event"], line["log_level"]) == ("certificate is not trusted", "error")
    assert line["server"] == f"localhost:{server.server_port}"
    assert line["issuer"] == "organizationName=Acme, commonName=Acme-Root"
    assert reason in line["reason"]
    assert server.asked == []


@pytest.mark.waits
def test_a_start_reports_an_untrusted_certificate_until_its_authority_is_in_the_settings(
    serve: Callable[[str], Server], authority: Path
) -> None:
    server = serve("own.pem")

    def start(**settings: str) -> str:
        """Start the bot at a forge that refuses its token, and return its log."""
        server.script = [Response(401, {"message": "Bad credentials"})] * 2
        return refused_start(
            GITLAB__URL=url_of(server),
            GITLAB__TOKEN="token-x",
            GITLAB__WEBHOOK_SECRETS="a-secret-of-the-webhook",
            DATA__PATH=str(authority.with_name("data")),
            SERVER__PORT="0",
            AGENTS__SHELL__COMMAND="sh",
            SANDBOX__ENGINE="tcp://127.0.0.1:1",
            **settings,
        )

    untrusted = start()
    trusted = start(TLS__CA_FILE=str(authority))

    assert "certificate is not trusted" in untrusted
    assert "commonName=Acme-Root" in untrusted
    assert "certificate is not trusted" not in trusted
    assert "does not accept the bot's token" in trusted


def test_an_expired_certificate_of_a_trusted_issuer_is_reported(
    serve: Callable[[str], Server], authority: Path
) -> None:
    server = serve("expired.pem")
    trust(authority, authority.with_name("authorities.pem"))

    with structlog.testing.capture_logs() as logs:
        report_untrusted([url_of(server)])

    assert [(line["reason"], line["issuer"]) for line in logs] == [
        ("certificate has expired", "organizationName=Acme, commonName=Acme-Root")
    ]


def test_a_trusted_certificate_and_a_missing_server_are_not_reported(
    serve: Callable[[str], Server], authority: Path
) -> None:
    server = serve("own.pem")
    trust(authority, authority.with_name("authorities.pem"))

    with structlog.testing.capture_logs() as logs:
        report_untrusted([url_of(server), "https://localhost:1"])

    assert logs == []
