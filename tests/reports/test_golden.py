"""Every text about the end of a run is as its golden file, for each outcome and on both forges."""

import pytest

from bot.domain.outcomes import Outcome
from bot.reports.publisher import publishable
from tests.reports import golden
from tests.reports.ended_runs import FORGE_NAMES, cases

TEXTS = dict(golden.texts())


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_as_its_golden_file(name: str) -> None:
    assert TEXTS[name] == (golden.FOLDER / name).read_text(), (
        "python -m tests.reports.golden writes them anew"
    )


def test_there_is_no_golden_file_without_a_text() -> None:
    files = {path.relative_to(golden.FOLDER).as_posix() for path in golden.FOLDER.glob("*/*")}
    assert files == set(TEXTS)


@pytest.mark.parametrize("forge", FORGE_NAMES)
def test_each_outcome_has_a_text(forge: str) -> None:
    assert {case.ended.run.outcome for case in cases(forge)} == set(Outcome)


@pytest.mark.parametrize("name", TEXTS)
def test_the_publisher_sends_the_text_as_it_is(name: str) -> None:
    """Nothing in it would make a forge act, so nothing in it has to be made inert."""
    assert publishable(TEXTS[name], 60_000, []) == TEXTS[name]


def test_a_change_has_the_word_of_its_forge() -> None:
    for forge, word, other in (
        ("github", "pull request", "merge request"),
        ("gitlab", "merge request", "pull request"),
    ):
        texts = [text for name, text in TEXTS.items() if name.startswith(forge)]
        assert sum(word in text for text in texts) >= 5
        assert not any(other in text for text in texts)
