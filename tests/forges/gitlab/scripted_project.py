"""An issue, a change and the API path of the project of the scripted server."""

from dataclasses import replace

from bot.domain.thread import Kind
from tests.forges.adapter_calls import anvil

ANVIL = anvil("gitlab")
CHANGE = replace(ANVIL, kind=Kind.CHANGE, number=3)
PLACE = "/api/v3/api/v4/projects/7"  # the scripted server is like an instance below a path
