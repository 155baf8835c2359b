"""The form of a table of commands. The commands themselves are in `handlers/__init__.py`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches

from bot.domain.command import Command, Need
from bot.domain.errors import NotUnderstood
from bot.reports.command_syntax import for_forge
from bot.tasks.verbs import Tasks
from bot.text.markdown import is_plain

Handler = Callable[[Command, Tasks], str]


@dataclass(frozen=True, slots=True)
class Route:
    """One command: its syntax, its help in one sentence, its options, its needs and its handler."""

    name: str
    usage: str
    help: str
    options: frozenset[str]
    needs: frozenset[Need]
    handler: Handler


class Router:
    """A table of routes. Two handlers of one name are an error at import; their order never matters."""

    def __init__(self, *others: "Router") -> None:
        self.routes: dict[str, Route] = {}
        for other in others:
            for route in other.routes.values():
                self._add(route)

    def command(
        self,
        name: str,
        *,
        usage: str,
        help: str,
        options: Collection[str] = (),
        needs: Collection[Need] = (),
    ) -> Callable[[Handler], Handler]:
        """Register the decorated function as the handler of `/name`."""

        def register(handler: Handler) -> Handler:
            self._add(Route(name, usage, help, frozenset(options), frozenset(needs), handler))
            return handler

        return register

    def dispatch(self, command: Command, tasks: Tasks) -> str:
        """Call the handler of this command and return its reply. Raises NotUnderstood, as `route`."""
        return self.route(command.name).handler(command, tasks)

    def help(self, forge: str) -> list[str]:
        """Return a line of Markdown for each command, in the order of the table, in this forge's syntax."""
        return [_line(route, forge) for route in self.routes.values()]

    def route(self, name: str) -> Route:
        """Return the route of this command. Raises NotUnderstood, which suggests the nearest command."""
        if name in self.routes:
            return self.routes[name]
        text = f"Unknown command `{name}`." if is_plain(name) else "I don't know that command."
        near = get_close_matches(name, self.routes, n=1)
        suggestion = f" Did you mean `/{near[0]}`?" if near else ""
        raise NotUnderstood(f"{text}{suggestion} `/help` lists the commands.")

    def _add(self, route: Route) -> None:
        if route.name in self.routes:
            raise ValueError(f"two handlers for /{route.name}")
        self.routes[route.name] = route


def _line(route: Route, forge: str) -> str:
    options = ", ".join(f"`--{name}`" for name in sorted(route.options))
    return f"`{for_forge(route.usage, forge)}` {route.help}" + (f" ({options})" if options else "")
