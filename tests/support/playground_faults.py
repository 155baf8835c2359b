"""Faults between the bot and a forge, as an ASGI wrapper around the playground."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Fault(StrEnum):
    LOST_ANSWER = "502 after a successful write"
    BAD_GATEWAY = "502 before anything happened"
    SECONDARY_LIMIT = "403 with Retry-After"
    SLOW = "the answer comes late"
    DOWN = "the connection is closed without an answer"
    MOVED = "307 to the address by id"


@dataclass(slots=True)
class Rule:
    fault: Fault
    method: str
    path: re.Pattern[str]
    times: int  # remaining number of times
    seconds: float  # the delay, or the value of Retry-After


@dataclass(slots=True)
class Faults:
    """A wrapper around an application. It does nothing until `inject` is called."""

    app: ASGIApp
    rules: list[Rule] = field(default_factory=list)
    hit: list[str] = field(default_factory=list)  # "METHOD path" of each request that met a fault

    def inject(self, fault: Fault, method: str, path: str, *, times: int = 1, seconds: float = 1) -> None:
        """Make the next `times` requests of `method` with `path` in their path meet this fault."""
        self.rules.append(Rule(fault, method, re.compile(path), times, seconds))

    def clear(self) -> None:
        self.rules.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self._matching_rule(scope)
        if rule is None:
            await self.app(scope, receive, send)
            return
        rule.times -= 1
        self.hit.append(f"{scope['method']} {scope['path']}")
        if rule.fault is Fault.SLOW:
            await asyncio.sleep(rule.seconds)
            await self.app(scope, receive, send)
            return
        if rule.fault is Fault.LOST_ANSWER:
            await self.app(scope, receive, _nowhere)
        if rule.fault is Fault.DOWN:
            await _disconnect(receive, send)
        else:
            await _answer(send, rule, scope)

    def _matching_rule(self, scope: Scope) -> Rule | None:
        if scope["type"] != "http":
            return None
        for rule in self.rules:
            if rule.times > 0 and rule.method == scope["method"] and rule.path.search(scope["path"]):
                return rule
        return None


async def _nowhere(message: Message) -> None:
    """Discard a response."""


async def _disconnect(receive: Receive, send: Send) -> None:
    # ASGI has no message for this, and returning silently makes uvicorn answer 500.
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, rule: Rule, scope: Scope) -> None:
    status, words, headers = _WORDS[rule.fault]
    body = json.dumps({"message": words, "documentation_url": "https://docs.github.com/rest"}).encode()
    headers = headers.format(seconds=int(rule.seconds), path=scope["path"])
    lines = [line.split(": ", 1) for line in ["content-type: application/json", *headers.splitlines()]]
    lines.append(["content-length", str(len(body))])
    raw = [(name.encode(), value.encode()) for name, value in lines]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


_WORDS = {
    Fault.LOST_ANSWER: (502, "Server Error", ""),
    Fault.BAD_GATEWAY: (502, "Server Error", ""),
    Fault.SECONDARY_LIMIT: (403, "You have exceeded a secondary rate limit.", "retry-after: {seconds}"),
    Fault.MOVED: (307, "Temporary Redirect", "location: {path}"),
}
