"""The repository itself: who may, its name, its hooks, its protection; and users."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from bot.playground import git, hooks, rules, shapes
from bot.playground.calls import Answer, Call, Route, page
from bot.playground.hooks import Delivery
from bot.playground.rules import Refused, invalid
from bot.playground.state import Collaborator, Hook, Repository, State, User, now


def me(call: Call) -> Answer:
    return Answer(shapes.full_user(call.state, call.state.user(call.login)))


def _user(call: Call, login: str) -> User:
    try:
        return call.state.user(login)
    except KeyError:
        raise Refused(404, "Not Found") from None


def get_user(call: Call) -> Answer:
    return Answer(shapes.full_user(call.state, _user(call, call.path["login"])))


def shown(state: State, where: Repository, user: User | None) -> dict[str, Any]:
    """The repository with its parent and what `user` may do in it."""
    parent = state.get(Repository, where.fork_of)
    family = dict.fromkeys(("parent", "source"), shapes.repository(state, parent)) if parent else {}
    may = {"permissions": shapes.permissions(rules.role(state, where, user))} if user else {}
    return {**shapes.repository(state, where), **family, **may}


def get(call: Call) -> Answer:
    return Answer(shown(call.state, call.state.get(Repository, call.where.id) or call.where, call.user))


def edit(call: Call) -> Answer:
    """Rename, archive, hide."""
    where = call.where
    name = call.field("name", where.name)
    if name != where.name:
        taken = call.state.first(Repository, lambda row: row.path == f"{where.owner}/{name}")
        if taken:
            message = "name already exists on this account"
            raise invalid("Repository", "custom", field="name", message=message)
        where = replace(where, name=name, earlier_paths=(*where.earlier_paths, where.path))
    private, archived = call.field("private", where.private), call.field("archived", where.archived)
    call.state.put(replace(where, private=private, archived=archived))
    return get(call)


def permission(call: Call) -> Answer:
    who = _user(call, call.path["login"])
    role = rules.role(call.state, call.where, who)
    # `permission` is GitHub's older, coarser word for the role.
    coarse = {"maintain": "write", "triage": "read"}.get(role, role)
    user = {
        **shapes.user(call.state, who.login),
        "permissions": shapes.permissions(role),
        "role_name": role,
    }
    return Answer({"permission": coarse, "role_name": role, "user": user})


def set_collaborator(call: Call) -> Answer:
    """`permission`: pull, triage, push, maintain, admin. Nobody has to accept an invitation."""
    who = _user(call, call.path["login"])
    role = call.field("permission", "push")
    role = {"pull": "read", "push": "write"}.get(role, role)
    if role not in rules.ROLES[1:]:
        raise invalid("Repository", "invalid", field="permission")
    _drop_collaborator(call, who)
    call.state.put(Collaborator(id=call.state.new_id(), repository=call.where.id, login=who.login, role=role))
    return Answer(status=204)


def remove_collaborator(call: Call) -> Answer:
    _drop_collaborator(call, _user(call, call.path["login"]))
    return Answer(status=204)


def _drop_collaborator(call: Call, who: User) -> None:
    for row in call.state.all(Collaborator):
        if (row.repository, row.login) == (call.where.id, who.login):
            call.state.drop(row)


def protect(call: Call) -> Answer:
    """Nobody may push here. The name may be a pattern, which GitHub allows only in rulesets."""
    return _protect(call, (*call.where.protected, call.path["branch"]))


def unprotect(call: Call) -> Answer:
    return _protect(call, tuple(name for name in call.where.protected if name != call.path["branch"]))


def _protect(call: Call, patterns: tuple[str, ...]) -> Answer:
    call.state.put(replace(call.where, protected=patterns))
    git.protect(call.state.git_folder(call.where), patterns)
    if call.body is None:
        return Answer(status=204)
    url = f"{shapes.api_url(call.state, call.where)}/branches/{call.path['branch']}/protection"
    return Answer({"url": url})


def add_hook(call: Call) -> Answer:
    """A webhook of one repository; its first delivery is a ping."""
    config = call.field("config") or {}
    if urlsplit(str(config.get("url"))).scheme not in {"http", "https"}:
        raise invalid("Hook", "missing_field", field="url")
    if config.get("content_type") != "json":
        raise invalid("Hook", "custom", field="content_type", message="the playground sends only json")
    hook = Hook(
        id=call.state.new_id(), repository=call.where.id, url=config["url"],
        secret=config.get("secret", call.state.webhook_secret),
        events=tuple(call.field("events") or ("push",)), created_at=now(),
    )  # fmt: skip
    shown = _hook(call, call.state.put(hook))
    ping = {"zen": "Keep it logically awesome.", "hook_id": hook.id, "hook": shown}
    call.sender.tell_one(hook, call.where, sender=call.login, event="ping", payload=ping)
    return Answer(shown, 201)


def _hook(call: Call, row: Hook) -> dict[str, Any]:
    url = f"{shapes.api_url(call.state, call.where)}/hooks/{row.id}"
    config = {"url": row.url, "content_type": "json", "secret": "********", "insecure_ssl": "0"}
    return {
        "type": "Repository", "id": row.id, "name": "web", "active": True, "events": list(row.events),
        "config": config, "created_at": row.created_at, "updated_at": row.created_at, "url": url,
        "test_url": f"{url}/tests", "ping_url": f"{url}/pings", "deliveries_url": f"{url}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
    }  # fmt: skip


def every_hook(call: Call) -> Answer:
    wanted = (call.where.id, "github")
    rows = call.state.all(Hook, lambda row: (row.repository, row.forge) == wanted)
    return page(call, rows, lambda row: _hook(call, row))


def remove_hook(call: Call) -> Answer:
    found = call.state.get(Hook, call.path["hook"])
    if found is None or found.repository != call.where.id:
        raise Refused(404, "Not Found")
    call.state.drop(found)
    return Answer(status=204)


def deliveries(call: Call) -> Answer:
    """Newest first."""
    rows = [row for row in list(call.sender.deliveries)[::-1] if row.hook.id == call.path["hook"]]
    return page(call, rows, lambda row: _delivery(call, row))


def _delivery(call: Call, row: Delivery) -> dict[str, Any]:
    return {
        "id": row.id, "guid": row.guid, "delivered_at": row.delivered_at, "redelivery": row.redelivery,
        "duration": row.duration, "status": "OK" if 200 <= row.status < 300 else "failed",
        "status_code": row.status, "event": row.event, "action": row.action, "installation_id": None,
        "repository_id": call.where.id, "throttled_at": None,
    }  # fmt: skip


def _found(call: Call) -> Delivery:
    wanted = call.path["delivery"]
    found = next((row for row in list(call.sender.deliveries) if row.id == wanted), None)
    if found is None or found.hook.repository != call.where.id:
        raise Refused(404, "Not Found")
    return found


def get_delivery(call: Call) -> Answer:
    row = _found(call)
    request = {"headers": hooks.headers(row), "payload": json.loads(row.body)}
    shown = {**_delivery(call, row), "url": row.hook.url, "request": request}
    return Answer({**shown, "response": {"headers": None, "payload": None}})


def redeliver(call: Call) -> Answer:
    call.sender.redeliver(_found(call))
    return Answer({}, 202)


ROUTES = (
    Route("GET", "", "read", get),
    Route("PATCH", "", "admin", edit),
    Route("GET", "/collaborators/{login}/permission", "write", permission),
    Route("PUT", "/collaborators/{login}", "admin", set_collaborator),
    Route("DELETE", "/collaborators/{login}", "admin", remove_collaborator),
    Route("PUT", "/branches/{branch:path}/protection", "admin", protect),
    Route("DELETE", "/branches/{branch:path}/protection", "admin", unprotect),
    Route("GET", "/hooks", "admin", every_hook),
    Route("POST", "/hooks", "admin", add_hook),
    Route("DELETE", "/hooks/{hook:int}", "admin", remove_hook),
    Route("GET", "/hooks/{hook:int}/deliveries", "admin", deliveries),
    Route("GET", "/hooks/{hook:int}/deliveries/{delivery:int}", "admin", get_delivery),
    Route("POST", "/hooks/{hook:int}/deliveries/{delivery:int}/attempts", "admin", redeliver),
)
USER_ROUTES = (Route("GET", "/user", "login", me), Route("GET", "/users/{login}", "none", get_user))
