"""Building by name and settings, and reading them back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from azora.errors import ConfigError
from azora.settings import closest, construct, describe, plain, resolve, settings_of


class Thing:
    """Has two settings and wants a seed from its surroundings."""

    def __init__(self, size: int, rate: float = 0.5, seed: int = 0) -> None:
        if size < 0:
            raise ValueError(f"size={size} must not be negative")
        self.size, self.rate, self.seed = size, rate, seed


def test_context_goes_to_those_who_name_it() -> None:
    thing = construct(Thing, {"size": 3}, seed=7, folder="unused")
    assert (thing.size, thing.rate, thing.seed) == (3, 0.5, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 1, "raet": 1}, "Thing has no setting 'raet'; did you mean 'rate'"),
        ({}, "Thing needs a setting 'size'"),
        ({"size": -1}, "Thing: size=-1 must not be negative"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        construct(Thing, settings, seed=0)


def test_what_was_constructed_can_be_constructed_again() -> None:
    thing = Thing(3, rate=0.25)
    description = describe(thing)
    again = construct(resolve(description["kind"]), description["settings"])
    assert settings_of(again) == settings_of(thing) == {"size": 3, "rate": 0.25, "seed": 0}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "not of the form module:Name"),
        ("no.such.module:Name", "importing no.such.module failed"),
        ("azora.settings:constrct", "did you mean 'construct'"),
    ],
)
def test_names_that_lead_nowhere(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(path)


def test_what_is_no_json_but_means_some_becomes_it() -> None:
    settings = {"arms": ("a", Path("b")), "share": np.float32(0.5), 3: np.int64(7), "on": np.bool_(True), "none": None}
    found = plain(settings)
    assert found == {"arms": ["a", "b"], "share": 0.5, "3": 7, "on": True, "none": None}
    assert json.loads(json.dumps(found)) == found


def test_the_nearest_name_is_suggested_and_otherwise_all() -> None:
    assert closest("evolutoin", ["random", "evolution"]) == "did you mean 'evolution'?"
    assert closest("zzz", ["b", "a"]) == "there is a, b"
