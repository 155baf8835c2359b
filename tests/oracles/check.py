"""Checks of requests and answers against GitHub's own description of its API.

The description is GitHub's (sources.json), so neither the bot nor the
playground can be wrong together with it.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

HERE = Path(__file__).parent
NAME = "urn:github"
ERROR = {"$ref": f"{NAME}#/components/schemas/basic-error"}
# The description lacks one request of PyGithub, which GitHub accepts.
UNDESCRIBED = {("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels"): {"type": "array"}}


def check_request(method: str, path: str, body: Any) -> None:
    """Raise AssertionError unless GitHub describes this request. `path` may be a whole URL."""
    template, operation = _operation(method, path)
    described = operation["requestBody"]
    undescribed = UNDESCRIBED.get((method, template))
    if body is None and not (described and described.get("required")):
        return
    assert described is not None, f"{method} {template} takes no body"
    schema = described["content"]["application/json"]["schema"]
    _validate(
        body, {"anyOf": [schema, undescribed]} if undescribed else schema, f"request {method} {template}"
    )


def check_response(method: str, path: str, status: int, body: Any) -> None:
    """Raise AssertionError unless GitHub describes this answer. Other errors must be basic errors."""
    template, operation = _operation(method, path)
    responses = operation["responses"]
    about = f"answer {status} to {method} {template}"
    if str(status) not in responses:
        assert status >= 300, f"{about} is not described"
        return _validate(body, ERROR, about)
    response = _resolved(responses[str(status)])
    content = response.get("content")
    if not content:
        assert body is None, f"{about} has no body"
        return None
    return _validate(body, content["application/json"]["schema"], about)


def _operation(method: str, url: str) -> tuple[str, dict[str, Any]]:
    path = urlsplit(url).path.removeprefix("/api/v3")
    path = re.sub(r"^/repositories/\d+", "/repos/by/id", path).rstrip("/")
    described = _description()["paths"]
    fitting = [template for template in described if _pattern(template).fullmatch(path)]
    fitting = [template for template in fitting if method.lower() in described[template]]
    assert fitting, f"{method} {path} is not among the operations kept in github-openapi.json"
    # "/issues/comments" also matches "/issues/{issue_number}". The path with fewer parameters has priority.
    template = min(fitting, key=lambda one: (one.count("{"), -len(one)))
    return template, described[template][method.lower()]


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of a path. Branches and labels may have slashes."""
    wide = re.sub(r"\{(ref|branch|name)\}", ".+", template)
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", wide))


@cache
def _description() -> Any:
    return _as_json_schema(json.loads((HERE / "github-openapi.json").read_text()))


@cache
def _registry() -> Registry[Any]:
    resource: Resource[Any] = Resource.from_contents(_description(), default_specification=DRAFT202012)
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource(NAME, resource)
    return filled


def _as_json_schema(node: Any) -> Any:
    """Convert OpenAPI 3.0, which has `nullable` instead of a type and references from the top of the file."""
    if isinstance(node, list):
        return [_as_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _as_json_schema(value) for key, value in node.items() if key != "nullable" or value is not True
    }
    if isinstance(plain.get("$ref"), str):
        plain["$ref"] = NAME + plain["$ref"]
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def _resolved(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    found = _registry().resolver().lookup(response["$ref"]).contents
    assert isinstance(found, dict)
    return found


def _validate(body: Any, schema: dict[str, Any], about: str) -> None:
    validator = Draft202012Validator(schema, registry=_registry())
    wrong = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]
    assert not wrong, "\n".join([f"{about} does not fit:", *wrong[:10]])
