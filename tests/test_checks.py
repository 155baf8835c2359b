"""What is refused before anything starts: in words that say what to do."""

from dataclasses import replace

import pytest

from bot.agents.claude import Claude
from bot.checks import check
from bot.errors import BadSettings
from bot.store.ledger import Ledger
from tests.fakes import FakeForge
from tests.houses import a_house


def test_an_agent_without_its_models_is_not_set_to_work(ledger: Ledger) -> None:
    house = replace(a_house(ledger, FakeForge()), agents={"helper": Claude(())})

    with pytest.raises(
        BadSettings,
        match=r"(?s)\[agents\] helper .* \[models\.anthropic\].* FORGEHAND_MODELS__ANTHROPIC__KEY_FILE",
    ):
        check(house)
