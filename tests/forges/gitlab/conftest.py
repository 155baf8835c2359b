"""The forge is GitLab; a change of the bot's own project is open in its playground."""

from dataclasses import replace

import pytest

from bot.domain.thread import Kind, Thread
from tests.support.playground_clones import push_commit
from tests.support.playground_gitlab import GitLabPlayground


@pytest.fixture
def forge_name() -> str:
    return "gitlab"


@pytest.fixture
def change(playground: GitLabPlayground, thread: Thread) -> Thread:
    push_commit(playground, "topic")
    return replace(thread, kind=Kind.CHANGE, number=playground.open_pull("Mine", head="topic"))
