"""What a worker needs to judge: the space, the data without its test, and the evaluator, from JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.evaluation import Evaluator, make_evaluator
from azora.networks.complexity import cost
from azora.networks.registry import make_space
from azora.space import Product, Space
from azora.tasks import SearchData, Signature
from azora.training import Recipe, warm_up
from azora.trial import QUANTITIES, Proposal


@final
@dataclass(frozen=True)
class Workplace:
    """A space and an evaluator, rebuilt."""

    space: Space
    evaluate: Evaluator

    @classmethod
    def open(cls, setup: Mapping[str, Any]) -> Workplace:
        """From `{"space": {"name", "settings", "recipe"}, "evaluator", "data", "folder", "seed", "device", "precision",
        "metric", "also", "threads"}`; `data` and `folder` are paths. What an architecture costs is added to its metrics
        where it is among `also`."""
        import torch

        torch.set_num_threads(int(setup["threads"]))
        warm_up(setup["device"])
        data = SearchData.load(Path(setup["data"]))
        space = joint_space(setup["space"], data.signature)
        evaluate = make_evaluator(
            setup["evaluator"],
            space=space,
            data=data,
            folder=Path(setup["folder"]),
            seed=int(setup["seed"]),
            device=setup["device"],
            precision=setup["precision"],
            metric=setup["metric"],
            also=setup.get("also", ()),
        )
        costs = [name for name in setup.get("also", ()) if name in QUANTITIES]
        return cls(space, _Costed(space, evaluate, costs) if costs else evaluate)


@final
@dataclass(frozen=True)
class _Costed:
    """An evaluator that also says what the network costs."""

    space: Space
    evaluate: Evaluator
    names: Sequence[str]

    def __call__(self, proposal: Proposal) -> Mapping[str, float]:
        costs = cost(self.space, proposal.architecture)
        return {**{name: float(costs[name]) for name in self.names}, **self.evaluate(proposal)}


def joint_space(about: Mapping[str, Any], signature: Signature) -> Space:
    """The space that `{"name", "settings", "recipe"}` describes: of networks, or of networks and recipes."""
    network = make_space(about["name"], signature, **about["settings"])
    if not about["recipe"] or isinstance(network.root, Product):
        return network
    return Product(network=network, recipe=Recipe(signature))
