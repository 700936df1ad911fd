"""How many words a user had to say: the shortest command line that asks for a study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azora.methods import METHODS, find_method
from azora.settings import plain
from azora.strategies.registry import DEFAULT
from azora.tasks import Signature

USUAL = ("accuracy:max", "r2:max")
OWN_SPACES = ("cells", "mlp")  # where a search looks when nobody says where


def shortest_command(about: Mapping[str, Any]) -> list[str]:
    """The words after `azora`. What decides nothing about the network (a seed, a folder, a number of workers) is left
    out; a budget is always said, for the journal does not tell whether it was the default."""
    words = ["search", str(about["task"]), "--budget", "TIME"]
    if about["strategy"] != DEFAULT:
        words += ["--strategy", str(about["strategy"])]
    for name, value in about["settings"].items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    space, settings = about["space"], about["space"]["settings"]
    if not _own(about):
        words += ["--space", str(space["name"])]
        words += [word for name, value in settings.items() for word in ("--set", f"space.{name}={json.dumps(value)}")]
    words += [] if space["recipe"] else ["--no-recipe"]
    for objective in str(about["objective"]).split(","):
        words += [] if objective in USUAL else ["--objective", objective]
    for limit in about["limits"]:
        words += ["--limit", limit]
    for name in ("baseline", "target", "reward"):
        words += ["--" + name, str(about[name])] if about.get(name) else []
    return words + ([] if about["evaluator"] == "trained" else ["--evaluator", str(about["evaluator"])])


def _own(about: Mapping[str, Any]) -> bool:
    """Whether the space is the one that is searched when none is named."""
    name, settings = about["space"]["name"], about["space"]["settings"]
    method = find_method(about["strategy"], about["settings"]) if about["strategy"] in METHODS else None
    own = None if method is None else method.space(Signature("classification", (3, 32, 32), 2))
    if own is not None and name != "mlp":
        return bool(name == own[0] and settings == plain(own[1]))
    return name in OWN_SPACES and not settings
