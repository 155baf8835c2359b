"""The playground from a GitLab user's side, with the methods of `Playground` for GitHub.

A method that takes a number takes an int for an issue, and a `Change` for a merge request.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from bot.playground.state import Comment, Issue, Repository
from tests.support.gitlab_as_github import LEVELS, Change, at, comment, delivery, pull, status
from tests.support.playground_github import PATH, Playground
from tests.support.playground_served import Served, Wrap, all_pages, successful_json


class GitLabPlayground:
    """A playground that runs until `close`. `wrap` may put an ASGI application around it."""

    forge = "gitlab"
    webhook_path = "/webhooks/gitlab"

    def __init__(self, data: Path, *, wrap: Wrap = lambda app: app) -> None:
        self._served = Served(data, wrap)
        self.ground, self.url = self._served.ground, self._served.url
        self.api_url = self.url  # the URL for python-gitlab
        self.path = PATH
        about = self.ground.about()
        self.tokens: dict[str, str] = about["tokens"]
        self.token = self.tokens["bot"]
        self.bot_name: str = about["bot_name"]
        self.webhook_secret: str = about["gitlab"]["webhook_token"]
        self.signing_token: str = about["gitlab"]["signing_token"]
        self.repository_id = self.ground.state.all(Repository)[0].id

    def __enter__(self) -> "GitLabPlayground":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._served.close()

    @property
    def html_url(self) -> str:
        return f"{self.url}/{self.path}"

    @property
    def clone_url(self) -> str:
        return f"{self.html_url}.git"

    def call(self, method: str, path: str, body: Any = None, *, as_: str = "ann") -> httpx.Response:
        """Send any request as a user. `path` begins below the project, or with `/` below the host."""
        whole = path if path.startswith("/") else f"/api/v4/projects/{self.repository_id}/{path}"
        return self._served.call(method, whole, body, token=self.tokens[as_])

    def ask(self, method: str, path: str, body: Any = None, *, as_: str = "ann") -> Any:
        """Send a request that must succeed; return its JSON."""
        return successful_json(self.call(method, path, body, as_=as_))

    def user_id(self, login: str) -> int:
        name = self.bot_name if login == "bot" else login
        return int(self.ask("GET", f"/api/v4/users?username={name}")[0]["id"])

    def comment(self, number: int, body: str, as_: str = "ann", **more: Any) -> int:
        """Add a note, `internal` if given; return its id, or 0 for a note with only quick actions."""
        return int(self.ask("POST", f"{at(number)}/notes", {"body": body, **more}, as_=as_).get("id", 0))

    def edit(self, comment_id: int, body: str, as_: str = "ann") -> None:
        self.ask("PUT", self._note(comment_id), {"body": body}, as_=as_)

    def open_issue(self, title: str, body: str = "", as_: str = "ann", **more: Any) -> int:
        """Open an issue, with `confidential` and `labels` if given."""
        return int(self.ask("POST", "issues", {"title": title, "description": body, **more}, as_=as_)["iid"])

    def edit_issue(self, number: int, as_: str = "ann", **texts: str) -> None:
        """Set `title` and `body`, of a merge request too."""
        if "body" in texts:
            texts["description"] = texts.pop("body")
        self.ask("PUT", at(number), texts, as_=as_)

    def close_issue(self, number: int, as_: str = "ann") -> None:
        self.ask("PUT", at(number), {"state_event": "close"}, as_=as_)

    def open_pull(self, title: str, *, head: str, base: str = "main", as_: str = "ann") -> Change:
        """Open a merge request from `head`: a branch, or `login:branch` of a fork."""
        owner, _, branch = head.rpartition(":")
        wanted: dict[str, Any] = {"title": title, "source_branch": branch, "target_branch": base}
        place = "merge_requests"
        if owner:
            fork = quote(f"{owner}/{self.path.partition('/')[2]}", safe="")
            place, wanted["target_project_id"] = f"/api/v4/projects/{fork}/{place}", self.repository_id
        return Change(self.ask("POST", place, wanted, as_=as_)["iid"])

    def label(self, number: int, name: str, as_: str = "ann") -> None:
        self.ask("PUT", at(number), {"add_labels": name}, as_=as_)

    def unlabel(self, number: int, name: str, as_: str = "ann") -> None:
        self.ask("PUT", at(number), {"remove_labels": name}, as_=as_)

    def assign(self, number: int, login: str, as_: str = "ann") -> None:
        self.ask("PUT", at(number), {"assignee_ids": [self.user_id(login)]}, as_=as_)

    def request_review(self, number: int, login: str, as_: str = "ann") -> None:
        self.ask("PUT", at(Change(number)), {"reviewer_ids": [self.user_id(login)]}, as_=as_)

    def inline_comment(self, number: int, path: str, line: int, body: str, *, as_: str = "ann") -> int:
        """Add a comment on a line of the head."""
        refs = self.ask("GET", at(Change(number)))["diff_refs"]
        position = {**refs, "position_type": "text", "new_path": path, "old_path": path, "new_line": line}
        place = f"{at(Change(number))}/discussions"
        made = self.ask("POST", place, {"body": body, "position": position}, as_=as_)
        return int(made["notes"][0]["id"])

    def reply_inline(self, number: int, comment_id: int, body: str, *, as_: str = "ann") -> int:
        place = f"{at(Change(number))}/discussions/{self.discussion(number, comment_id)['id']}/notes"
        return int(self.ask("POST", place, {"body": body}, as_=as_)["id"])

    def fork(self, as_: str) -> str:
        """Create a fork as a user, who is created if necessary; return the fork's path."""
        if as_ not in self.tokens:
            self.add_user(as_)
        return str(self.ask("POST", "fork", {}, as_=as_)["path_with_namespace"])

    def merge(self, number: int, as_: str = "ann") -> str:
        """Merge; return the id of the merge commit."""
        return str(self.ask("PUT", f"{at(Change(number))}/merge", {}, as_=as_)["merge_commit_sha"])

    def labels(self, number: int) -> list[str]:
        return list(self.ask("GET", at(number))["labels"])

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Return at most a hundred comments, oldest first, in GitHub's form."""
        asked = f"{at(number)}/notes?sort=asc&activity_filter=only_comments&per_page=100"
        return [comment(note) for note in self.ask("GET", asked)]

    def pulls(self) -> list[dict[str, Any]]:
        """Return merge requests in any state, newest first, in GitHub's form."""
        return [pull(one) for one in self.ask("GET", "merge_requests?state=all&per_page=100")]

    def statuses(self, sha: str) -> list[dict[str, Any]]:
        """Return statuses, newest first, in GitHub's form. A status that changed its state is listed once."""
        rows = self.ask("GET", f"repository/commits/{sha}/statuses?all=true&per_page=100")
        return [status(row) for row in reversed(rows)]

    def reactions(self, comment_id: int) -> list[str]:
        return [row["name"] for row in self.ask("GET", f"{self._note(comment_id)}/award_emoji")]

    inline_reactions = reactions

    def issue_reactions(self, number: int) -> list[str]:
        return [row["name"] for row in self.ask("GET", f"{at(number)}/award_emoji")]

    def inline_comments(self, number: int) -> list[dict[str, Any]]:
        """Return at most a hundred, oldest first."""
        return [row for row in self.comments(Change(number)) if row["type"] == "DiffNote"]

    def discussion(self, number: int, comment_id: int) -> dict[str, Any]:
        """Return the discussion of a merge request that contains this note."""
        found = self.ask("GET", f"{at(Change(number))}/discussions?per_page=100")
        return dict(next(one for one in found if comment_id in [note["id"] for note in one["notes"]]))

    def branch_head(self, name: str) -> str | None:
        answer = self.call("GET", f"repository/branches/{quote(name, safe='')}")
        return answer.json()["commit"]["id"] if answer.is_success else None

    def set_webhook(self, url: str, token: str | None = None, signing_token: str | None = None) -> int:
        """Send all events to `url`. Without a token of either kind, both are the playground's own."""
        if token is None and signing_token is None:
            token, signing_token = self.webhook_secret, self.signing_token
        kinds = ("note", "confidential_note", "issues", "confidential_issues", "merge_requests")
        wanted = {"url": url, "token": token, "signing_token": signing_token}
        return int(self.ask("POST", "hooks", {**wanted, **{f"{kind}_events": True for kind in kinds}})["id"])

    def set_permission(self, login: str, permission: str) -> None:
        """Set GitHub's permission: pull, triage, push, maintain or admin."""
        who, level = self.user_id(login), {"access_level": LEVELS[permission]}
        if not self.call("PUT", f"members/{who}", level).is_success:
            self.ask("POST", "members", {"user_id": who, **level})

    def remove_collaborator(self, login: str) -> None:
        self.ask("DELETE", f"members/{self.user_id(login)}")

    def add_user(self, login: str) -> None:
        self.tokens[login] = self.ask("POST", "/_playground/users", {"login": login})["token"]

    def new_token(self, login: str) -> str:
        """Replace the token. The old one is refused from now on."""
        token = str(self.ask("POST", f"/_playground/users/{login}/token")["token"])
        self.tokens["bot" if login == self.bot_name else login] = token
        self.token = self.tokens["bot"]
        return token

    def transfer(self, number: int, to: str) -> int:
        """Move an issue to `to`, where Ann must be allowed to write; return its number there."""
        target = self.ask("GET", f"/api/v4/projects/{quote(to, safe='')}")["id"]
        return int(self.ask("POST", f"{at(number)}/move", {"to_project_id": target})["iid"])

    def protect(self, branch_pattern: str) -> None:
        self.ask("POST", "protected_branches", {"name": branch_pattern})

    def unprotect(self, branch_pattern: str) -> None:
        self.ask("DELETE", f"protected_branches/{quote(branch_pattern, safe='')}")

    def rename(self, name: str) -> None:
        self.path = self.ask("PUT", "", {"path": name})["path_with_namespace"]

    def archive(self) -> None:
        self.ask("POST", "archive")

    def lock(self, number: int) -> None:
        self.ask("PUT", at(number), {"discussion_locked": True})

    def delete_issue(self, number: int) -> None:
        self.ask("DELETE", at(number))

    def remove_git(self) -> None:
        """Let git answer that the repository is missing. Issues and notes stay."""
        self.ask("DELETE", f"/_playground/repos/{self.path}/git")

    def restore_git(self) -> None:
        self.ask("PUT", f"/_playground/repos/{self.path}/git")

    def exhaust(self, login: str, seconds: float) -> None:
        self.ask("POST", "/_playground/rate-limit", {"login": login, "seconds": seconds})

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries of all webhooks, newest first, in GitHub's form."""
        return [
            delivery(one, hook["id"])
            for hook in self.ask("GET", "hooks")
            for one in all_pages(self.ask, f"hooks/{hook['id']}/events")
        ]

    def redeliver(self, delivery_id: int) -> None:
        """Send the same body under the same Idempotency-Key again."""
        [hook] = [one["hook"] for one in self.deliveries() if one["id"] == delivery_id]
        self.ask("POST", f"hooks/{hook}/events/{delivery_id}/resend")

    def _note(self, comment_id: int) -> str:
        """Return the path of a note, which needs its thread."""
        state = self.ground.state
        [note] = state.all(Comment, lambda row: row.id == comment_id)
        [row] = state.all(Issue, lambda row: (row.repository, row.number) == (note.repository, note.number))
        return f"{at(Change(row.iid) if row.head else row.iid)}/notes/{comment_id}"


AnyPlayground = Playground | GitLabPlayground
PLAYGROUNDS: dict[str, type[AnyPlayground]] = {"github": Playground, "gitlab": GitLabPlayground}
