"""A receiver of webhooks that stores its deliveries."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """A webhook receiver that answers `status` to every delivery."""

    def __init__(self, status: int = 202) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(status))
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/github"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def _handler(self, status: int) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._news:
                    receiver.got.append((dict(self.headers), body))
                    receiver._news.notify_all()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Print nothing."""

        return Handler

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, count: int) -> None:
        """Wait until this many deliveries have arrived."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.got) >= count, 10), f"only {len(self.got)} came"

    def find(self, event: str, action: str | None) -> dict[str, Any]:
        """Wait for the first matching delivery of either forge and return its payload."""
        with self._news:
            assert self._news.wait_for(lambda: self._found(event, action), 10), f"no {event} {action} came"
            return self._found(event, action)[0]

    def _found(self, event: str, action: str | None) -> list[dict[str, Any]]:
        return [
            payload
            for headers, body in self.got
            for payload in [json.loads(body)]
            if event in (headers.get("X-GitHub-Event"), headers.get("X-Gitlab-Event"))
            and action == payload.get("object_attributes", payload).get("action")
        ]
