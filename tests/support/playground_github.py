"""The playground from a GitHub user's side, through the API that the bot uses too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from bot.playground.state import Repository
from tests.support.playground_served import Served, Wrap, all_pages, successful_json

PATH = "acme/anvil"


class Playground:
    """A playground that runs until `close`. `wrap` may put an ASGI application around it."""

    forge = "github"
    webhook_path = "/webhooks/github"

    def __init__(self, data: Path, *, wrap: Wrap = lambda app: app) -> None:
        self._served = Served(data, wrap)
        self.ground, self.url = self._served.ground, self._served.url
        self.api_url = f"{self.url}/api/v3"
        self.path = PATH
        about = self.ground.about()
        self.tokens: dict[str, str] = about["tokens"]
        self.token = self.tokens["bot"]
        self.bot_name: str = about["bot_name"]
        self.webhook_secret: str = about["webhook_secret"]
        self.repository_id = self.ground.state.all(Repository)[0].id

    def __enter__(self) -> "Playground":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._served.close()

    @property
    def clone_url(self) -> str:
        return f"{self.url}/{self.path}.git"

    @property
    def html_url(self) -> str:
        return f"{self.url}/{self.path}"

    def call(self, method: str, path: str, body: Any = None, *, as_: str = "ann") -> httpx.Response:
        """Send any request as a user. `path` begins below the repository, or with `/` below the host."""
        whole = path if path.startswith("/") else f"/api/v3/repos/{self.path}/{path}"
        return self._served.call(method, whole, body, token=self.tokens[as_])

    def ask(self, method: str, path: str, body: Any = None, *, as_: str = "ann") -> Any:
        """Send a request that must succeed; return its JSON."""
        return successful_json(self.call(method, path, body, as_=as_))

    # Actions of people.

    def comment(self, number: int, body: str, as_: str = "ann") -> int:
        return int(self.ask("POST", f"issues/{number}/comments", {"body": body}, as_=as_)["id"])

    def edit(self, comment_id: int, body: str, as_: str = "ann") -> None:
        self.ask("PATCH", f"issues/comments/{comment_id}", {"body": body}, as_=as_)

    def open_issue(self, title: str, body: str = "", as_: str = "ann") -> int:
        return int(self.ask("POST", "issues", {"title": title, "body": body}, as_=as_)["number"])

    def edit_issue(self, number: int, as_: str = "ann", **texts: str) -> None:
        """Set `title` and `body`, of a pull request too."""
        self.ask("PATCH", f"issues/{number}", texts, as_=as_)

    def close_issue(self, number: int, as_: str = "ann") -> None:
        """Close an issue or a pull request."""
        self.ask("PATCH", f"issues/{number}", {"state": "closed"}, as_=as_)

    def open_pull(self, title: str, *, head: str, base: str = "main", as_: str = "ann") -> int:
        """Open a pull request from `head`: a branch, or `login:branch` of a fork."""
        wanted = {"title": title, "head": head, "base": base}
        return int(self.ask("POST", "pulls", wanted, as_=as_)["number"])

    def label(self, number: int, name: str, as_: str = "ann") -> None:
        self.ask("POST", f"issues/{number}/labels", {"labels": [name]}, as_=as_)

    def unlabel(self, number: int, name: str, as_: str = "ann") -> None:
        self.ask("DELETE", f"issues/{number}/labels/{quote(name)}", as_=as_)

    def assign(self, number: int, login: str, as_: str = "ann") -> None:
        self.ask("POST", f"issues/{number}/assignees", {"assignees": [login]}, as_=as_)

    def request_review(self, number: int, login: str, as_: str = "ann") -> None:
        self.ask("POST", f"pulls/{number}/requested_reviewers", {"reviewers": [login]}, as_=as_)

    def review(
        self, number: int, body: str, comments: Sequence[dict[str, Any]] = (), *, as_: str = "ann"
    ) -> int:
        """Submit a review without a verdict. `comments` have path, line and body."""
        wanted = {"event": "COMMENT", "body": body, "comments": list(comments)}
        return int(self.ask("POST", f"pulls/{number}/reviews", wanted, as_=as_)["id"])

    def inline_comment(self, number: int, path: str, line: int, body: str, *, as_: str = "ann") -> int:
        """Add a comment on a line of the head."""
        sha = self.ask("GET", f"pulls/{number}")["head"]["sha"]
        wanted = {"commit_id": sha, "path": path, "line": line, "side": "RIGHT", "body": body}
        return int(self.ask("POST", f"pulls/{number}/comments", wanted, as_=as_)["id"])

    def reply_inline(self, number: int, comment_id: int, body: str, *, as_: str = "ann") -> int:
        path = f"pulls/{number}/comments/{comment_id}/replies"
        return int(self.ask("POST", path, {"body": body}, as_=as_)["id"])

    def fork(self, as_: str) -> str:
        """Create a fork as a user, who is created if necessary; return the fork's path."""
        if as_ not in self.tokens:
            self.add_user(as_)
        return str(self.ask("POST", "forks", {}, as_=as_)["full_name"])

    def merge(self, number: int, as_: str = "ann") -> str:
        """Merge; return the id of the merge commit."""
        return str(self.ask("PUT", f"pulls/{number}/merge", {}, as_=as_)["sha"])

    # Reads.

    def labels(self, number: int) -> list[str]:
        return [label["name"] for label in self.ask("GET", f"issues/{number}/labels")]

    def comments(self, number: int) -> list[dict[str, Any]]:
        """Return at most a hundred, oldest first."""
        found: list[dict[str, Any]] = self.ask("GET", f"issues/{number}/comments?per_page=100")
        return found

    def pulls(self) -> list[dict[str, Any]]:
        """Return pull requests in any state, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", "pulls?state=all&per_page=100")
        return found

    def statuses(self, sha: str) -> list[dict[str, Any]]:
        """Return statuses, newest first."""
        found: list[dict[str, Any]] = self.ask("GET", f"commits/{sha}/statuses?per_page=100")
        return found

    def reactions(self, comment_id: int) -> list[str]:
        return [row["content"] for row in self.ask("GET", f"issues/comments/{comment_id}/reactions")]

    def issue_reactions(self, number: int) -> list[str]:
        return [row["content"] for row in self.ask("GET", f"issues/{number}/reactions")]

    def inline_comments(self, number: int) -> list[dict[str, Any]]:
        """Return at most a hundred, oldest first."""
        found: list[dict[str, Any]] = self.ask("GET", f"pulls/{number}/comments?per_page=100")
        return found

    def inline_reactions(self, comment_id: int) -> list[str]:
        return [row["content"] for row in self.ask("GET", f"pulls/comments/{comment_id}/reactions")]

    def branch_head(self, name: str) -> str | None:
        answer = self.call("GET", f"git/ref/heads/{quote(name)}")
        return answer.json()["object"]["sha"] if answer.is_success else None

    # Actions of an owner, and failures.

    def set_webhook(self, url: str, secret: str | None = None) -> int:
        """Send all events to `url`, signed with the playground's own secret if none is given."""
        config = {"url": url, "content_type": "json", "secret": secret or self.webhook_secret}
        return int(self.ask("POST", "hooks", {"config": config, "events": ["*"]})["id"])

    def set_permission(self, login: str, permission: str) -> None:
        """Set GitHub's permission: pull, triage, push, maintain or admin."""
        self.ask("PUT", f"collaborators/{login}", {"permission": permission})

    def remove_collaborator(self, login: str) -> None:
        self.ask("DELETE", f"collaborators/{login}")

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
        path = f"/_playground/repos/{self.path}/issues/{number}/transfer"
        return int(self.ask("POST", path, {"to": to})["number"])

    def protect(self, branch_pattern: str) -> None:
        self.ask("PUT", f"branches/{quote(branch_pattern)}/protection", {})

    def unprotect(self, branch_pattern: str) -> None:
        self.ask("DELETE", f"branches/{quote(branch_pattern)}/protection")

    def allow_workflows(self, login: str, *, allowed: bool) -> None:
        """Let the user's token push workflow files that the default branch does not have, or not."""
        path = f"/_playground/repos/{self.path}/workflows"
        self.ask("PUT", path, {"login": login, "allowed": allowed})

    def rename(self, name: str) -> None:
        self.path = self.ask("PATCH", "", {"name": name})["full_name"]

    def archive(self) -> None:
        self.ask("PATCH", "", {"archived": True})

    def lock(self, number: int) -> None:
        self.ask("PUT", f"issues/{number}/lock")

    def delete_issue(self, number: int) -> None:
        self.ask("DELETE", f"/_playground/repos/{self.path}/issues/{number}")

    def remove_git(self) -> None:
        """Let git answer that the repository is missing. Issues and comments stay."""
        self.ask("DELETE", f"/_playground/repos/{self.path}/git")

    def restore_git(self) -> None:
        self.ask("PUT", f"/_playground/repos/{self.path}/git")

    def exhaust(self, login: str, seconds: float) -> None:
        """Use up the user's requests for `seconds`."""
        self.ask("POST", "/_playground/rate-limit", {"login": login, "seconds": seconds})

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the deliveries of all webhooks, newest first."""
        hooks = self.ask("GET", "hooks")
        return [one for hook in hooks for one in all_pages(self.ask, f"hooks/{hook['id']}/deliveries")]

    def redeliver(self, delivery_id: int) -> None:
        """Send the same body under the same X-GitHub-Delivery again."""
        hook = self.ask("GET", "hooks")[0]["id"]
        self.ask("POST", f"hooks/{hook}/deliveries/{delivery_id}/attempts")
