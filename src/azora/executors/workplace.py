"""What a worker needs to judge: the space, the data without its test, and the evaluator, from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from azora.evaluation import Evaluator, make_evaluator
from azora.networks.registry import make_space
from azora.space import Product, Space
from azora.tasks import SearchData, Signature
from azora.training import Recipe


@final
@dataclass(frozen=True)
class Workplace:
    """A space and an evaluator, rebuilt."""

    space: Space
    evaluate: Evaluator

    @classmethod
    def open(cls, setup: Mapping[str, Any]) -> Workplace:
        """From `{"space": {"name", "settings", "recipe"}, "evaluator", "data", "folder", "seed", "device", "precision",
        "metric", "threads"}`; `data` and `folder` are paths."""
        import torch

        torch.set_num_threads(int(setup["threads"]))
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
        )
        return cls(space, evaluate)


def joint_space(about: Mapping[str, Any], signature: Signature) -> Space:
    """The space that `{"name", "settings", "recipe"}` describes: of networks, or of networks and recipes."""
    network = make_space(about["name"], signature, **about["settings"])
    if not about["recipe"] or isinstance(network.root, Product):
        return network
    return Product(network=network, recipe=Recipe(signature))
