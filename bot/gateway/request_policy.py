"""What a request asks for, judged before any of it leaves: whose it is, which route, which model.

Only what is plainly allowed passes. A path is taken as it stands, because a
provider may resolve dots and escapes otherwise than we do.
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
# Google's, by which an answer is without its tokens, or in a shape that nobody here reads.
_SHAPES = {"fields", "callback", "ct"}
_ALT = {"json", "sse"}
# A text that does not end is one token all the same: to try again from each quote in it would take for ever.
# What no JSON has between its texts (a comment, a key without quotes) might name a model to who reads it so.
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(?P<key>\s*+:)?|(?P<open>))|[{}\[\]]'
    rb"|(?P<odd>[^ \t\r\n,:0-9eE+.truefalsn-])",
    re.DOTALL,
)
_STRING = re.compile(rb'\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_MOST_TOKENS = 500_000  # of a body: tens of times what the longest conversations have
_LONGEST = 1000  # bytes of a model's name, which stays in memory for as long as its answer takes
_NO_JSON = "no JSON object"


@dataclass
class RequestRefused(Exception):
    """Not let out. `target` and `reason` are what is counted."""

    status: int
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that one of the routes serves, but for the model in its body."""

    route: Provider
    target: str  # path and query below the route
    shown: str  # for people


def asked(request: h11.Request, token: str, routes: Mapping[str, Provider]) -> Asked:
    """Judge what stands before the body. Raises Refused."""
    method, target = request.method.decode(), request.target.decode("ascii", "replace")
    shown = f"{method} {target.partition('?')[0]}"  # a query may hold secrets
    if not _opens(request, token):
        raise RequestRefused(401, shown, "without this run's token")
    path, _, query = target.partition("?")
    _, name, rest = path.split("/", 2) if path.count("/") > 1 and path.startswith("/") else ("", "", "")
    route, rest = routes.get(name), f"/{rest}"
    if route is None or not _PATH.fullmatch(rest) or method != "POST" or not route.serves(rest):
        raise RequestRefused(403, shown, "not allowed")
    _judge_query(query, shown)
    if any(name == b"content-encoding" for name, _ in request.headers):
        raise RequestRefused(415, shown, "a compressed body")
    return Asked(route=route, target=rest + (f"?{query}" if query else ""), shown=shown)


def _judge_query(query: str, shown: str) -> None:
    for key, value in parse_qsl(query, keep_blank_values=True):
        # cloud.google.com/apis/docs/system-parameters: each also with a "$" before it.
        name = key.lower().removeprefix("$")
        if name in _KEYS_IN_QUERY:
            raise RequestRefused(403, shown, "a key in the address")
        if name in _SHAPES or (name == "alt" and value not in _ALT):
            raise RequestRefused(403, shown, f"an answer changed by {name}")


def model(request: Asked, body: bytes) -> str:
    """The model that is asked for, "" where none is named. Raises Refused."""
    try:
        named = [*models_in_path(request.target.partition("?")[0]), *_models(body)]
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RequestRefused(400, request.shown, _NO_JSON) from None
    except ValueError as error:
        raise RequestRefused(400, request.shown, str(error)) from None
    # What holds of a path and a body, the provider knows: each must do.
    if wrong := [name for name in named or [""] if not request.route.has(name)]:
        raise RequestRefused(
            403, request.shown, f"{wrong[0][:100]!r} is none of [models.{request.route.name}] models"
        )
    return named[0] if named else ""


def _models(body: bytes) -> set[str]:
    """What the outermost object's key "model" says. Raises ValueError where that is not plain.

    Of two values providers take the first or the last, and some take "Model" for the same key. Not read by
    the JSON parser: what it builds takes tens of times the body's size, and an agent chooses the body.
    """
    if not body.lstrip()[:1] == b"{":
        raise ValueError(_NO_JSON)
    found, depth = set[str](), 0
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
                raise ValueError("a model that is no name")
            found.add(str(json.loads(value[1])))
    if len(found) > 1:
        raise ValueError("more than one model")
    return found


def _opens(request: h11.Request, token: str) -> bool:
    held = False
    for name, value in request.headers:
        given = _given(name, value)
        held |= given is not None and hmac.compare_digest(given, token.encode())
    return held


def _given(name: bytes, value: bytes) -> bytes | None:
    """The token, in whichever header an agent was told to put it."""
    if name in {b"x-api-key", b"x-goog-api-key"}:
        return value
    scheme, _, rest = value.partition(b" ")
    if name == b"authorization" and scheme.lower() == b"bearer":
        return rest.strip()
    return None
