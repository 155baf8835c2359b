"""Which hosts a client of packages fetches from: what the one in the agents' image is set to.

Asked of the image and written down nowhere, because it is the image that must be right: one
with a mirror of its own reaches this mirror, and nothing else is let out to.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from bot.gateway.package_proxy import PATTERN

# What says by the client's own word, as addresses, where it fetches from. Files of the index that
# pip asks by default are at another host, which only pip knows; of another index they are at its own.
CLIENTS = {
    "pip": """python3 -c '
from pip._internal.commands import create_command
from pip._internal.models.index import PyPI
options, _ = create_command("download").parse_args([])
print(options.index_url, *options.extra_index_urls)
if options.index_url == PyPI.simple_url:
    print("https://" + PyPI.file_storage_domain)'""",
    "npm": "npm config get registry",
    # The second is a name, a name with its key, or a key and an address.
    "go": 'go env GOPROXY\nfor word in $(go env GOSUMDB); do echo "https://${word#https://}"; done',
    "apt": "apt-get update --print-uris",
}

# A run has a home and a checkout of its own over those of the image: settings in there hold for nobody.
_AS_IN_A_RUN = "set -e\ncd /tmp\nexport HOME=/tmp XDG_CONFIG_HOME=/tmp/.config"
_BEGINS = "= "  # what is said of one
_PORTS = {"https": {None, 443}, "http": {None, 80}}


def script(names: Sequence[str]) -> str:
    """Return the shell script that asks for these CLIENTS; it fails where one is not there."""
    return "\n".join([_AS_IN_A_RUN, *(f"echo '{_BEGINS}{name}'\n{CLIENTS[name]}" for name in names)])


def hosts(said: str) -> dict[str, list[str]]:
    """Return the hosts of each client, of what the script said; none for one that has no usable host."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith(_BEGINS):
            found[line.removeprefix(_BEGINS)] = []
        elif found:
            mine = found[list(found)[-1]]
            mine += [host for host in _named(line) if host not in mine]
    return found


def _named(line: str) -> list[str]:
    """Hosts of the addresses in it that a sandbox could be let out to."""
    found = []
    for word in re.findall(r"https?://[^\s,|'\"]+", line):
        try:
            parts = urlsplit(word)
            host = (parts.hostname or "").partition("+")[0]
            usable = parts.port in _PORTS[parts.scheme]
        except ValueError:
            continue
        if usable and PATTERN.fullmatch(host) and not host.startswith("*"):
            found.append(host)
    return found
