"""The address of GitHub's repositories, from the address of its API."""

from urllib.parse import urlsplit

from bot.forges.addresses import web_address


def web_url(api_url: str) -> str:
    """Return the address below which repositories of the API at `api_url` are. Raises NotUnderstood."""
    address = web_address(api_url, "/api/v3")
    parts = urlsplit(address)
    if parts.path or not parts.netloc.startswith("api.") or address != web_address(api_url, ""):
        return address
    # An Enterprise Server has its API in a folder; github.com has a host for it.
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
