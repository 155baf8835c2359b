"""The check of a request to a provider before any of it is sent: its token, provider, path and model.

Only clearly permitted requests pass. A path is compared as it is, because a provider may
resolve dots and escapes in another way.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import h11

from bot.gateway.providers import Provider, models_in_path

_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9_~:@+.,-]+)+")
_KEYS_IN_QUERY = {"key", "api_key", "api-key", "access_token", "oauth_token"}
# Google's parameters that remove the token counts from a response, or give it another shape.
_RESPONSE_SHAPES = {"fields", "callback", "ct"}
_ALT = {"json", "sse"}
# A string without an end is also one token: to try again from each quote in it would take quadratic time.
# `odd` matches text that JSON does not allow between strings (a comment, a key without quotes): a provider's
# lenient parser could read a model's name from it.
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(?P<key>\s*+:)?|(?P<open>))|[{}\[\]]'
    rb"|(?P<odd>[^ \t\r\n,:0-9eE+.truefalsn-])",
    re.DOTALL,
)
_STRING = re.compile(rb'\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_MOST_TOKENS = 500_000  # of a body: tens of times as many as in the longest conversations
_LONGEST = 1000  # bytes of a model's name, which stays in memory until the response has ended
_NO_JSON = "not a JSON object"


@dataclass
class RequestRefused(Exception):
    """A request that is not sent on. It is counted by `target` and `reason`."""

    status: int
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A request whose line and headers are permitted; the model in its body is not checked yet."""

    provider: Provider
    target: str  # path and query, without the provider's name
    shown: str  # for people


def admit(request: h11.Request, token: str, providers: Mapping[str, Provider]) -> ModelRequest:
    """Check everything before the body. Raises RequestRefused."""
    method, target = request.method.decode(), request.target.decode("ascii", "replace")
    shown = f"{method} {target.partition('?')[0]}"  # a query may hold secrets
    if not _has_token(request, token):
        raise RequestRefused(401, shown, "without this run's token")
    path, _, query = target.partition("?")
    _, name, below = path.split("/", 2) if path.count("/") > 1 and path.startswith("/") else ("", "", "")
    provider, below = providers.get(name), f"/{below}"
    if provider is None or not _PATH.fullmatch(below) or method != "POST" or not provider.serves(below):
        raise RequestRefused(403, shown, "not allowed")
    _check_query(query, shown)
    if any(name == b"content-encoding" for name, _ in request.headers):
        raise RequestRefused(415, shown, "a compressed body")
    return ModelRequest(provider=provider, target=below + (f"?{query}" if query else ""), shown=shown)


def _check_query(query: str, shown: str) -> None:
    for key, value in parse_qsl(query, keep_blank_values=True):
        # cloud.google.com/apis/docs/system-parameters: each parameter may also begin with "$".
        name = key.lower().removeprefix("$")
        if name in _KEYS_IN_QUERY:
            raise RequestRefused(403, shown, "a key in the URL")
        if name in _RESPONSE_SHAPES or (name == "alt" and value not in _ALT):
            raise RequestRefused(403, shown, f"an answer changed by {name}")


def requested_model(request: ModelRequest, body: bytes) -> str:
    """Return the requested model, "" if the request names none. Raises RequestRefused."""
    try:
        models = [*models_in_path(request.target.partition("?")[0]), *_models(body)]
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RequestRefused(400, request.shown, _NO_JSON) from None
    except ValueError as error:
        raise RequestRefused(400, request.shown, str(error)) from None
    # Whether the path or the body counts is the provider's choice, so both must be permitted.
    if wrong := [name for name in models or [""] if not request.provider.has(name)]:
        raise RequestRefused(
            403, request.shown, f"{wrong[0][:100]!r} is none of [models.{request.provider.name}] models"
        )
    return models[0] if models else ""


def _models(body: bytes) -> set[str]:
    """Return the values of the key "model" in the outermost object. Raises ValueError if they are not clear.

    Of two values some providers take the first and some the last, and some take "Model" for the same key.
    Not with the JSON parser: its result takes tens of times the body's size, and an agent chooses the body.
    """
    if not body.lstrip()[:1] == b"{":
        raise ValueError(_NO_JSON)
    models, depth = set[str](), 0
    for number, token in enumerate(_TOKEN.finditer(body)):
        if number > _MOST_TOKENS:
            raise ValueError("too much JSON")
        if token.lastgroup in {"open", "odd"}:
            raise ValueError(_NO_JSON)
        first = token[0][:1]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and token["key"] and json.loads(token[0].rstrip()[:-1]).lower() == "model":
            value = _STRING.match(body, token.end())
            if value is None or len(value[1]) > _LONGEST:
                raise ValueError("the model is not a short text")
            models.add(str(json.loads(value[1])))
    if len(models) > 1:
        raise ValueError("more than one model")
    return models


def _has_token(request: h11.Request, token: str) -> bool:
    has_token = False
    for name, value in request.headers:
        sent = _sent_token(name, value)
        has_token |= sent is not None and hmac.compare_digest(sent, token.encode())
    return has_token


def _sent_token(name: bytes, value: bytes) -> bytes | None:
    """Return the token in this header; None if it is not a header for keys. Agents use different ones."""
    if name in {b"x-api-key", b"x-goog-api-key"}:
        return value
    scheme, _, sent = value.partition(b" ")
    if name == b"authorization" and scheme.lower() == b"bearer":
        return sent.strip()
    return None
