"""The hosts from which a package manager in the agents' image is configured to fetch.

There is no list here, because the image decides: if it is configured for a mirror, agents reach
the mirror and no other host.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from bot.gateway.package_proxy import PATTERN

# Shell commands that print, as addresses, the hosts each package manager fetches from. The files of
# pip's default index are on another host, which only pip knows; another index has its files on its own host.
CLIENTS = {
    "pip": """python3 -c '
from pip._internal.commands import create_command
from pip._internal.models.index import PyPI
options, _ = create_command("download").parse_args([])
print(options.index_url, *options.extra_index_urls)
if options.index_url == PyPI.simple_url:
    print("https://" + PyPI.file_storage_domain)'""",
    "npm": "npm config get registry",
    # GOSUMDB is a name, a name with its key, or a key and an address.
    "go": 'go env GOPROXY\nfor word in $(go env GOSUMDB); do echo "https://${word#https://}"; done',
    "apt": "apt-get update --print-uris",
}

# In a run, mounts hide the image's own home and checkout: settings in those folders have no effect.
_AS_IN_A_RUN = "set -e\ncd /tmp\nexport HOME=/tmp XDG_CONFIG_HOME=/tmp/.config"
_HEADING = "= "  # before the name of a package manager
_PORTS = {"https": {None, 443}, "http": {None, 80}}


def script(names: Sequence[str]) -> str:
    """Return the shell script that asks these CLIENTS; it fails if the image lacks one."""
    return "\n".join([_AS_IN_A_RUN, *(f"echo '{_HEADING}{name}'\n{CLIENTS[name]}" for name in names)])


def hosts(output: str) -> dict[str, list[str]]:
    """Return the hosts of each client, from the output of the script; [] for one without a usable host."""
    by_client: dict[str, list[str]] = {}
    for line in output.splitlines():
        if line.startswith(_HEADING):
            by_client[line.removeprefix(_HEADING)] = []
        elif by_client:
            listed = by_client[list(by_client)[-1]]
            listed += [host for host in _usable(line) if host not in listed]
    return by_client


def _usable(line: str) -> list[str]:
    """Return the hosts of the addresses in a line that the package proxy could reach."""
    usable = []
    for word in re.findall(r"https?://[^\s,|'\"]+", line):
        try:
            parts = urlsplit(word)
            host = (parts.hostname or "").partition("+")[0]
            usual_port = parts.port in _PORTS[parts.scheme]
        except ValueError:
            continue
        if usual_port and PATTERN.fullmatch(host) and not host.startswith("*"):
            usable.append(host)
    return usable
