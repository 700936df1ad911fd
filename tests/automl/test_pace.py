"""What networks are expected to take, and the ceiling over it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from azora.automl import pace, setting
from azora.automl.pace import Ceiling, Pace, measure_pace, sampled_epochs
from azora.automl.setting import Within
from azora.errors import ConfigError, SpaceError
from azora.networks.registry import make_space
from azora.space import Architecture, Space
from azora.tasks import Task
from azora.trial import Limit, Proposal, Report, Trial

PACE = Pace(layer=1e-4, mac=1e-9, value=1e-8)


def trials(ceiling: Ceiling, ratio: float) -> list[Trial]:
    rng, made = random.Random(1), []
    for number in range(8):
        architecture = ceiling.space.sample(rng)
        took = {"epoch_seconds": ratio * ceiling.predicted(architecture)}
        made.append(Trial(number, Proposal(architecture, 1.0), Report(took), 0.0))
    return made


@pytest.mark.parametrize(("ratio", "seconds"), [(2.0, 0.5), (0.8, 1.25), (1e3, 1 / 3)])
def test_a_ceiling_is_corrected_by_what_trainings_took(stripes: Task, ratio: float, seconds: float) -> None:
    ceiling = Ceiling(PACE, make_space("cells", stripes.signature), stripes.search_data, 1.0)
    ceiling.correct(trials(ceiling, ratio))
    assert ceiling.corrected
    assert ceiling.seconds == pytest.approx(seconds)


def test_a_correction_leaves_what_is_quickest(stripes: Task) -> None:
    ceiling = Ceiling(PACE, make_space("cells", stripes.signature), stripes.search_data, 1.0, least=0.9)
    ceiling.correct(trials(ceiling, 2.0))
    assert ceiling.seconds == 0.9
    ceiling.correct([Trial(0, Proposal(ceiling.space.sample(random.Random(0))), Report(error="no"), 0.0)])
    assert ceiling.seconds == 0.9


def test_networks_of_one_key_and_different_costs_have_their_own_seconds(stripes: Task) -> None:
    space = make_space("nb201", stripes.signature, width=4, depth=1)
    shares = space.from_string("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")  # type: ignore[attr-defined]
    copies = space.from_string("|none~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|none~1|nor_conv_1x1~2|")  # type: ignore[attr-defined]
    assert shares == copies
    ceiling = Ceiling(PACE, space, stripes.search_data, 1.0)
    alone = Ceiling(PACE, space, stripes.search_data, 1.0)
    assert ceiling.predicted(shares) < ceiling.predicted(copies) == alone.predicted(copies)


def test_where_time_is_short_three_networks_tell_the_pace(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    measured, start = list[str](), pace.start_training

    def counted(space: Space, architecture: Architecture, *words: Any) -> Any:
        measured.append(architecture.key)
        return start(space, architecture, *words)

    monkeypatch.setattr(pace, "start_training", counted)
    space = make_space("cells", stripes.signature, widths=[4, 8], depths=[1], stages=2)
    found = measure_pace(space, stripes.search_data, "float32", "cpu", most_seconds=0.0)
    assert len(measured) == 3
    assert found.epoch(space, space.sample(random.Random(0)), stripes.search_data) > 0


def test_what_cannot_be_trained_tells_nothing_and_ends_nothing(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the search it costs one trial, so it must not cost the search before that."""
    space = make_space("cells", stripes.signature, widths=[4, 8], depths=[1], stages=2)
    start, tried = pace.start_training, list[str]()

    def every_other(space: Space, architecture: Architecture, *words: Any) -> Any:
        tried.append(architecture.key)
        if len(tried) % 2:
            raise ValueError("no such layer\nhere")
        return start(space, architecture, *words)

    monkeypatch.setattr(pace, "start_training", every_other)
    found = measure_pace(space, stripes.search_data, "float32", "cpu")
    assert len(tried) == 6
    assert found.epoch(space, space.sample(random.Random(0)), stripes.search_data) > 0

    def never(*words: Any) -> Any:
        raise ValueError("no such layer\nhere")

    monkeypatch.setattr(pace, "start_training", never)
    with pytest.raises(ConfigError, match=r"tried first can be trained here: ValueError: no such layer$"):
        measure_pace(space, stripes.search_data, "float32", "cpu")


def test_what_cannot_be_built_is_left_to_the_workers_and_within_no_limit(
    stripes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = make_space("cells", stripes.signature, widths=[4, 8], depths=[1], stages=2)
    some = space.sample(random.Random(0))

    def refuse(*words: Any) -> Any:
        raise ValueError("no such layer")

    monkeypatch.setattr(pace, "cost", refuse)
    monkeypatch.setattr(setting, "cost", refuse)
    assert Ceiling(PACE, space, stripes.search_data, 1.0)(some)
    assert sampled_epochs(space, PACE, stripes.search_data) == [math.inf]
    within = Within(space, (Limit("macs", 1e12),))
    assert not within(some)
    with pytest.raises(SpaceError, match=r"no network of cells can be built to look at .*: ValueError: no such layer"):
        within.constrained(0)
