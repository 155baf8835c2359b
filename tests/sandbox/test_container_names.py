"""Container names: one module makes and parses them, and they are the same in every release."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.task import new_task_id
from bot.sandbox import container_names
from bot.sandbox.container_names import RunContainer

_RUNS = st.builds(
    lambda task, number: f"{task}-{number}",
    st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
    st.integers(1, 999),
)
_PURPOSES = st.from_regex(r"[a-z]{1,10}", fullmatch=True)


@given(run=_RUNS, epoch=st.integers(0, 10**6), purpose=_PURPOSES)
def test_the_name_of_a_helper_container_is_parsed_to_the_same_container(
    run: str, epoch: int, purpose: str
) -> None:
    helper = RunContainer(run, epoch, purpose)

    assert container_names.parse(container_names.make(helper)) == helper


@given(run=_RUNS)
def test_the_name_of_an_agent_container_is_parsed_to_the_same_container(run: str) -> None:
    assert container_names.parse(container_names.make(RunContainer(run))) == RunContainer(run)


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("forgehand-k3v9qwme-1", RunContainer("k3v9qwme-1")),
        ("forgehand-k3v9qwme-12-3-prepare", RunContainer("k3v9qwme-12", 3, "prepare")),
        ("forgehand-k3v9qwme-1-2-export", RunContainer("k3v9qwme-1", 2, "export")),
        ("forgehand-k3v9qwme-1-2-size", RunContainer("k3v9qwme-1", 2, "size")),
        ("forgehand-k3v9qwme-1-2-rescue", RunContainer("k3v9qwme-1", 2, "rescue")),
    ],
)
def test_container_names_are_the_same_as_in_the_previous_release(name: str, container: RunContainer) -> None:
    assert container_names.make(container) == name
    assert container_names.parse(name) == container


@pytest.mark.parametrize(
    "name",
    [
        container_names.removal("k3v9qwme.gone-c0ffee00"),
        container_names.image_check("01234567"),
        "forgehand-k3v9qwme-1-2",
        "other-k3v9qwme-1",
    ],
    ids=["removal", "image check", "no purpose", "another prefix"],
)
def test_the_name_of_any_other_container_is_not_parsed_as_a_run(name: str) -> None:
    assert container_names.parse(name) is None


def test_each_measurement_has_a_unique_name() -> None:
    first, second = container_names.measurement("k3v9qwme"), container_names.measurement("k3v9qwme")

    assert first != second
    assert container_names.parse(first) is None


def test_a_container_belongs_to_the_task_of_its_run() -> None:
    task = new_task_id()

    assert container_names.is_of_task(container_names.make(RunContainer(f"{task}-1")), task)
    assert container_names.is_of_task(container_names.make(RunContainer(f"{task}-2", 1, "size")), task)
    assert not container_names.is_of_task(container_names.removal(f"{task}.gone-c0ffee00"), task)
    assert not container_names.is_of_task(container_names.make(RunContainer(f"{task}x-1")), task)
