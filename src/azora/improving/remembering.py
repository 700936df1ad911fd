"""What a model remembers of its search, used and added to."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from azora.executors.workplace import joint_space
from azora.export.bundle import CARRIED, Bundle, read_carried
from azora.improving.challengers import Challenger, Neighbour
from azora.meta import Judgement, Record, likeness
from azora.meta.carried import Carried
from azora.meta.policy import Policy
from azora.meta.recalling import scores_alike
from azora.space import Architecture, Product, Space
from azora.strategies.memory import portfolio
from azora.tasks import Signature
from azora.training import Recipe
from azora.trial import REWARD

ASKED = 8  # networks that memory is asked for
Features = Mapping[str, float]  # of a task, as `azora.meta.describe_task` gives them
METRIC = "loss"  # of a look's networks, on search-validation; less is better


def carried_of(bundle: Bundle) -> Carried | None:
    """The search that a model carries.

    Raises:
        BundleError: it is damaged, of a newer schema, or not what model.json describes.
    """
    text = read_carried(bundle)
    return None if text is None else Carried.from_text(text, str(bundle.folder / CARRIED))


def policy_of(bundle: Bundle, carried: Carried | None) -> Policy:
    """The rules that a model carries, or the usual ones with the limits that it was searched within. What a reward
    aimed at is no limit."""
    if carried is not None:
        return carried.policy
    figures = bundle.about.get("figures", {})
    return Policy.of({"limits": {} if figures.get("objective") == REWARD else figures.get("limits", {})})


def statement(carried: Carried | None) -> str:
    """What is carried, for the reader."""
    if carried is None:
        return "the model carries no policy and no memory: the usual policy holds"
    networks = sum(len(each.trials) for each in carried.records)
    return f"the model carries its policy, and a memory of {networks:,} networks"


def neighbours(records: Sequence[Record], bundle: Bundle, signature: Signature, features: Features) -> list[Neighbour]:
    """The networks that `records` of this space together rank best, the best first, each with how it was trained there.
    Searches for networks and recipes have a say in these, searches for networks alone in what comes after them; those
    whose scores are not of trained networks, or of a reward, have none.

    Args:
        signature: of the networks to be made.
        features: of the new data; records of tasks unlike them have no say.
    """
    trained = [each for each in records if scores_alike(each)]
    heard = [(record, likeness(record.features, features)) for record in trained]
    known: dict[str, Neighbour] = {}
    for recipe_searched in (True, False):
        space = _space(bundle, recipe_searched, signature)
        remembered = [found for record, alike in heard if (found := record.remembered(space, alike)) is not None]
        for each in portfolio(remembered, space, ASKED):
            network, recipe = _parts(space, each)
            known.setdefault(network.key, (network, recipe))
    return list(known.values())


def record_of_look(
    judged: Sequence[tuple[Challenger, float]], bundle: Bundle, carried: Carried, task: str, features: Features
) -> Record:
    """What a look has judged, as a record: networks by their loss on search-validation, which are as if trained by the
    usual recipe, since what was changed of one may be no point of the space of recipes."""
    space = _space(bundle, carried.recipe_searched, bundle.signature)
    trials = [
        Judgement(_joined(space, challenger.architecture), loss)
        for challenger, loss in sorted(judged, key=lambda each: each[1])
    ]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"name": space.name, "fingerprint": space.root.fingerprint}
    told = json.dumps([task, when, time.time_ns(), [dict(each.decisions) for each in trials]], default=str)
    return Record(
        hashlib.sha256(told.encode()).hexdigest()[:16], task, features, about, METRIC, False, trials,
        {"strategy": "improve", "when": when},
    )  # fmt: skip


def _space(bundle: Bundle, recipe_searched: bool, signature: Signature) -> Space:
    return joint_space({**bundle.about["space"], "recipe": recipe_searched}, signature)


def _parts(space: Space, architecture: Architecture) -> tuple[Architecture, Any]:
    """The network of a point of a search's space, and the settings of its recipe, where it has one."""
    root = space.root
    if not isinstance(root, Product) or "network" not in root.parts:
        return architecture, None
    recipe = root.parts["recipe"].root if "recipe" in root.parts else None
    if not isinstance(recipe, Recipe):
        return root.project(architecture, "network"), None
    return root.project(architecture, "network"), recipe.settings(root.project(architecture, "recipe"))


def _joined(space: Space, network: Architecture) -> Mapping[str, Any]:
    """The decisions of a network, with the usual ones of the recipe beside them."""
    root = space.root
    if not isinstance(root, Product) or "network" not in root.parts:
        return dict(network)
    others = {name: part for name, part in root.parts.items() if name != "network"}
    usual = {name: dict(part.familiar()[0]) for name, part in others.items() if part.familiar()}
    return {
        **{f"network.{name}": value for name, value in network.items()},
        **{f"{part}.{name}": value for part, decisions in usual.items() for name, value in decisions.items()},
    }
