"""HTTP requests of tests, with enough time on a busy machine: by default, httpx waits five seconds."""

from typing import Any

import httpx

_OPTIONS: dict[str, Any] = {"timeout": 60.0, "trust_env": False, "verify": False}


def client(**options: Any) -> httpx.Client:
    return httpx.Client(**{**_OPTIONS, **options})


def request(method: str, url: str, **options: Any) -> httpx.Response:
    return httpx.request(method, url, **{**_OPTIONS, **options})


def get(url: str, **options: Any) -> httpx.Response:
    return request("GET", url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    return request("POST", url, **options)
