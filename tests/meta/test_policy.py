"""The rules by which a deployed network is made better."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azora.errors import ConfigError
from azora.meta.policy import Policy


def test_a_policy_is_read_as_it_was_written() -> None:
    policy = Policy.of({"challengers": 2, "kinds": "train,memory", "limits": {"macs": 5e6}, "prefer": "smaller"})
    assert policy.kinds == ("train", "memory") and policy.level == 0.05
    assert Policy.of(json.loads(json.dumps(policy.to_json()))) == policy
    assert Policy.of({}) == Policy()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"levle": 0.1}, "did you mean 'level'"),
        ({"level": 7}, "level=7 must be between 1e-09 and 0.5"),
        ({"level": 1e-320}, "level=1e-320 must be between"),
        ({"margin": 1e-200}, "margin=1e-200 must be between 1e-09 and 0.5"),
        ({"level": "0.05"}, "level='0.05' must be between"),
        ({"held_out": float("nan")}, "held_out=nan must be between"),
        ({"challengers": 0}, "challengers=0 must be a whole number"),
        ({"challengers": True}, "challengers=True must be"),
        ({"kinds": ["train", "growth"]}, "did you mean 'grow'"),
        ({"kinds": []}, "kinds is empty"),
        ({"kinds": 5}, "not iterable"),
        ({"prefer": "small"}, "did you mean 'smaller'"),
        ({"limits": {"mac": 1}}, "did you mean 'macs'"),
        ({"limits": {"macs": -1}}, "the limit of macs is -1"),
        ({"limits": {"params": float("inf")}}, "the limit of params is inf, and must be a number above 0"),
        ({"limits": {"params": float("nan")}}, "the limit of params is nan"),
        ({"limits": {"params": 10**400}}, "the limit of params is 1000"),
        ({"limits": [1]}, "must give the most by quantity"),
    ],
)
def test_impossible_rules_are_refused_in_a_line(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Policy.of(settings)
    assert "\n" not in str(caught.value)
