"""Strategies that installed packages offer."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from azora.cli.main import main
from azora.errors import ConfigError
from azora.strategies import Level, RandomSearch, RegularizedEvolution
from azora.strategies.registry import GROUP, find_maker, make_strategy
from azora.testing import tiny_space

OFFERED = EntryPoints(
    [
        EntryPoint("theirs", "azora.strategies.evolution:RegularizedEvolution", GROUP),
        EntryPoint("random", "azora.strategies.evolution:RegularizedEvolution", GROUP),
        EntryPoint("broken", "no_such_package:Strategy", GROUP),
    ]
)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azora.strategies.registry.entry_points", lambda group: OFFERED.select(group=group))


def test_one_is_found_by_its_name_and_takes_its_settings() -> None:
    made = make_strategy("theirs", tiny_space(), settings={"population": 7})
    assert isinstance(made, Level) and isinstance(made.inner, RegularizedEvolution)
    assert made.inner.population == 7


def test_azoras_own_names_stay_azoras() -> None:
    made = make_strategy("random", tiny_space(), settings={})
    assert isinstance(made, Level) and isinstance(made.inner, RandomSearch)


def test_the_nearest_may_be_one_of_theirs_and_what_is_broken_is_said() -> None:
    with pytest.raises(ConfigError, match="there is no strategy 'their'; did you mean 'theirs'"):
        find_maker("their")
    with pytest.raises(ConfigError, match="importing no_such_package failed"):
        find_maker("broken")


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategies"]) == 0
    assert "theirs\n  azora.strategies.evolution:RegularizedEvolution, offered by" in capsys.readouterr().out
