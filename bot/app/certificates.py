"""The certificate authorities that the bot trusts: the system's, and those of `[tls] ca_file`.

The clients of the forges' APIs, git and the gateway find authorities in three ways, and Debian's git does
not know SSL_CERT_FILE. So one merged file is written at each start, and the environment of the process
names it for all of them.
"""

import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from bot.domain.errors import BadSettings
from bot.domain.interrupt import interruptible, within
from bot.store.data_folder import draft_of

# Read by Python's ssl (the gateway), by requests (the APIs), and by git.
_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO")
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
_PATIENCE = 5.0  # seconds for all servers
_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name
_log = structlog.get_logger()


def trust(ca_file: Path | None, bundle: Path) -> None:
    """Write the system's authorities and those in `ca_file` to `bundle`, for all clients of this process.

    Without `ca_file` nothing changes. Raises BadSettings if it contains no certificate, or if the system has
    no authorities to which it could be added.
    """
    if ca_file is None:
        return
    system = _system_bundle(bundle)
    if system is None:
        raise BadSettings(
            "[tls] ca_file is added to the system's certificate authorities, and the system has none. "
            "Install the package ca-certificates."
        )
    try:
        own = ca_file.read_text()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=own)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadSettings(f"[tls] ca_file: {ca_file} has no certificates in PEM form ({error}).") from None
    part = draft_of(bundle)
    part.write_text(f"{system.read_text().rstrip()}\n{own}")
    part.replace(bundle)  # in one step, because other processes read it
    os.environ.update(dict.fromkeys(_VARIABLES, str(bundle)))


def _system_bundle(bundle: Path) -> Path | None:
    """Return the file with the system's authorities; None if there is none. It is never `bundle`."""
    named = [os.environ.get("SSL_CERT_FILE", ""), ssl.get_default_verify_paths().openssl_cafile, *_SYSTEM]
    found = (Path(path) for path in named if path and Path(path) != bundle)
    return next((path for path in found if path.is_file()), None)


def report_untrusted(urls: Iterable[str]) -> None:
    """Log an error for each https server whose certificate is not trusted, with the issuer.

    A server that does not answer within seconds is left out.
    """
    check = within(_PATIENCE)
    addresses = [parts for parts in map(urlsplit, urls) if parts.scheme == "https"]
    servers = {(parts.hostname or "", parts.port or 443) for parts in addresses}
    for host, port in sorted(servers):
        try:
            problem = interruptible(partial(problem_of, host, port), check)
        except TimeoutError:
            return
        if problem:
            hint = "if you trust the issuer, put its certificate into [tls] ca_file"
            _log.error("certificate is not trusted", server=f"{host}:{port}", **problem, hint=hint)


def problem_of(host: str, port: int) -> dict[str, str]:
    """Return reason and issuer if the server's certificate is not trusted; {} if it is, or if unknown."""
    try:
        with _connected(host, port, ssl.create_default_context()):
            return {}
    except ssl.SSLCertVerificationError as error:
        return {"reason": error.verify_message, "issuer": _issuer(host, port)}
    except OSError:
        return {}


def _issuer(host: str, port: int) -> str:
    """Return the issuer of a certificate that is not trusted; "unknown" if it cannot be read.

    Python only parses the certificate of a connection that it trusts. So the server is asked a second time,
    with its own certificate as the authority. Nothing is sent on either connection.
    """
    try:
        anything = _context()
        anything.verify_mode = ssl.CERT_NONE
        with _connected(host, port, anything) as connection:
            certificate = connection.getpeercert(binary_form=True)
        itself = _context()
        itself.load_verify_locations(cadata=certificate or b"")
        itself.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        with _connected(host, port, itself) as connection:
            found = connection.getpeercert() or {}
    except (OSError, ValueError):
        return "unknown"
    names: Any = found.get("issuer", ())
    return ", ".join(f"{name}={value}" for part in names for name, value in part) or "unknown"


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context


@contextmanager
def _connected(host: str, port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Connect for the block, without sending anything but the handshake. Raises OSError."""
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        yield secure
