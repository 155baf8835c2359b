"""The connection to a provider: verified TLS, an operator's proxy, and reuse while it is open."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bot.gateway.tunnel import Tunnel
from tests.gateway.provider import KEY, Answer, ScriptedProvider, json_response
from tests.gateway.sandbox_client import MESSAGE, MESSAGES, Asker, until


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a self-signed certificate for localhost, with its key beside it."""
    path = tmp_path / "own.pem"
    made = f"-keyout {tmp_path / 'key.pem'} -out {path} -addext subjectAltName=DNS:localhost"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost {made}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return path


@pytest.fixture
def tls_asker(asker: Asker, provider: ScriptedProvider, certificate: Path) -> Asker:
    """Return an asker whose provider has TLS and a host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    provider.socket = context.wrap_socket(provider.socket, server_side=True)
    route = replace(asker.gateway.providers["anthropic"], url=f"https://localhost:{provider.server_port}")
    return replace(asker, gateway=replace(asker.gateway, providers={"anthropic": route}))


def test_a_provider_with_an_unknown_certificate_does_not_receive_the_key(tls_asker: Asker) -> None:
    with tls_asker.gateway.open(tls_asker.run, tls_asker.task), tls_asker.connected() as connection:
        assert [status(connection, tls_asker) for _ in range(2)] == [502, 502]

    assert tls_asker.provider.got == []


def test_certificate_authorities_of_the_operator_are_accepted(
    tls_asker: Asker, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with tls_asker.gateway.open(tls_asker.run, tls_asker.task):
        assert tls_asker.ask().status == 200

    assert tls_asker.provider.got[0].header("x-api-key") == KEY


def test_the_operators_proxy_is_used(
    tls_asker: Asker, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)

    with a_proxy(tls_asker.provider) as (port, heads), tls_asker.gateway.open(tls_asker.run, tls_asker.task):
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:se%20cret@127.0.0.1:{port}")
        assert tls_asker.ask().status == 200

    assert heads[0].startswith(f"CONNECT localhost:{tls_asker.provider.server_port} HTTP/1.")
    assert "Proxy-Authorization: Basic YW5uOnNlIGNyZXQ=" in heads[0]
    assert KEY not in heads[0]


def test_a_proxy_that_refuses_the_tunnel_does_not_receive_the_key(
    tls_asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = bytearray()

    def answer() -> None:
        with suppress(OSError):
            while True:
                inside, _ = listener.accept()
                with inside:
                    while data := inside.recv(4096):
                        heard.extend(data)
                        inside.sendall(b"no HTTP\r\n")

    for name in ("NO_PROXY", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=answer)
        thread.start()
        with tls_asker.gateway.open(tls_asker.run, tls_asker.task), tls_asker.connected() as connection:
            assert [status(connection, tls_asker) for _ in range(2)] == [502, 502]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()

    assert heard.count(b"CONNECT localhost:") == 2
    assert KEY.encode() not in heard


def test_after_an_invalid_response_the_next_request_is_sent(asker: Asker) -> None:
    asker.provider.script.append(_invalid_response)

    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        assert [status(connection, asker) for _ in range(2)] == [502, 200]

    assert len({got.peer for got in asker.provider.got}) == 2


def test_a_redirect_is_passed_on_and_not_followed(asker: Asker) -> None:
    asker.provider.script.append(json_response({}, 307, location="https://elsewhere.example/"))

    with asker.gateway.open(asker.run, asker.task):
        assert asker.ask().status == 307

    assert len(asker.provider.got) == 1


def test_a_new_connection_is_opened_after_the_provider_closed_the_old_one(asker: Asker) -> None:
    asker.provider.script.append(_then_close(json_response({})))

    with asker.gateway.open(asker.run, asker.task), asker.connected() as connection:
        for _ in range(2):
            connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"{}")
            until(lambda: asker.provider.hung_up)

    assert len({got.peer for got in asker.provider.got}) == 2


def test_closing_an_access_does_not_wait_for_responses(asker: Asker) -> None:
    never = threading.Event()
    asker.provider.script.append(_no_response_until(never))

    with ExitStack() as client:
        with asker.gateway.open(asker.run, asker.task) as access:
            connection = client.enter_context(asker.connected())
            connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
            until(lambda: asker.provider.got)
            began = time.monotonic()
        took = time.monotonic() - began
    never.set()
    asker.save(access)

    assert took < 4
    assert asker.refused() == []


def status(connection: HTTPConnection, asker: Asker) -> int:
    """Send a request on this connection and return the status of the response."""
    connection.request("POST", MESSAGES, body=MESSAGE, headers=asker.headers)
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


def _invalid_response(handler: object) -> None:
    handler.wfile.write(b"no HTTP\r\n")  # type: ignore[attr-defined]


def _no_response_until(event: threading.Event) -> Answer:
    def wait(_handler: object) -> None:
        event.wait(20)

    return wait


def _then_close(answer: Answer) -> Answer:
    def hang_up(handler: object) -> None:
        answer(handler)  # type: ignore[arg-type]
        handler.close_connection = True  # type: ignore[attr-defined]

    return hang_up


@contextmanager
def a_proxy(provider: ScriptedProvider) -> Iterator[tuple[int, list[str]]]:
    """Accept one connection and tunnel it to the provider. Yield the port and the recorded requests."""
    heads: list[str] = []

    def lead() -> None:
        inside, _ = listener.accept()
        with inside, socket.create_connection(("127.0.0.1", provider.server_port)) as outside:
            heads.append(inside.recv(4096).decode())
            inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            Tunnel(inside, outside, 10.0).forward(b"", both_ways=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lead)
        thread.start()
        yield listener.getsockname()[1], heads
        thread.join()
