"""Several models as one, whose answer is the weighed mean of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.export.deployed import Deployed
from azora.networks.complexity import cost
from azora.networks.decide import As, Decide
from azora.networks.registry import make_read_space
from azora.space import Architecture, Edge, Graph, Node, Option, Space
from azora.tasks import Scaling, Signature

LEAST = 1e-9  # probability


@final
class Average(nn.Module):
    """Raw values (B, *raw shape) → (B, outputs): logits of the mean of probabilities, made softer by a temperature (Guo
    et al., 2017), or the mean of numbers, in units of the target's spread.

    Args:
        members: each takes raw values, and gives probabilities or numbers in the target's own unit.
        shares: what each counts; they sum to 1.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, members: Sequence[Deployed], shares: Sequence[float], temperature: float, scaling: Scaling
    ) -> None:
        super().__init__()
        self.members, self.shares, self.temperature = nn.ModuleList(members), tuple(shares), temperature
        self.classifies = members[0].classifies
        self.register_buffer("mean", torch.tensor(scaling.target_mean), False)
        self.register_buffer("spread", torch.tensor(scaling.target_spread), False)

    def forward(self, x: Tensor) -> Tensor:
        answers = [share * member(x) for share, member in zip(self.shares, self.members, strict=True)]
        mean = torch.stack(answers).sum(dim=0)
        if self.classifies:
            return torch.log(mean.clamp(min=LEAST)) / self.temperature
        return (mean - self.mean) / self.spread


@final
class Ensemble(Space):
    """One ensemble: there is nothing to decide, and all of it is a setting. It is for reading back what was chosen.

    Args:
        signature: the shape of the task.
        members: of each `space` (`name`, `settings`), `architecture` and `scaling` as a bundle has them, and `share`.
        temperature: of the probabilities.

    Raises:
        SpaceError, ConfigError, KeyError, ValueError: a member that cannot be made.
    """

    def __init__(self, signature: Signature, members: Sequence[Mapping[str, Any]], temperature: float = 1.0) -> None:
        self.signature, self.members, self.temperature = signature, members, float(temperature)
        self.parts = [_part(each, signature) for each in members]
        super().__init__("ensemble", (), settings={"members": list(members), "temperature": self.temperature})

    def build(self, decide: Decide) -> nn.Module:
        """(B, *raw shape) → (B, outputs)."""
        scalings = [Scaling.from_json(each["scaling"]) for each in self.members]
        members = [
            Deployed(space.build(As(architecture)), self.signature, scaling)
            for (space, architecture), scaling in zip(self.parts, scalings, strict=True)
        ]
        return Average(members, [float(each["share"]) for each in self.members], self.temperature, scalings[0])

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        """The sum of what the members cost."""
        costs = [cost(space, architecture) for space, architecture in self.parts]
        return {name: sum(each[name] for each in costs) for name in costs[0]}

    def graph(self, architecture: Architecture) -> Graph:
        middle = [
            Node(f"member {place}", f"{float(each['share']):.2f} of {space.name} {part.key[:8]}")
            for place, ((space, part), each) in enumerate(zip(self.parts, self.members, strict=True))
        ]
        first, last = (
            Node("input", _input(self.signature), "input"),
            Node("mean", "their mean", "sum"),
        )
        edges = [edge for each in middle for edge in (Edge("input", each.name), Edge(each.name, "mean"))]
        return Graph(f"ensemble of {len(middle)}", (first, *middle, last), tuple(edges))


def _input(signature: Signature) -> str:
    return " × ".join(map(str, signature.shape)) if signature.pictures else f"{signature.raw_shape[0]} columns"


def _part(member: Mapping[str, Any], signature: Signature) -> tuple[Space, Architecture]:
    """The space of a member, whose name may come from a file, and the point of it that the member is."""
    space = make_read_space(str(member["space"]["name"]), signature, **member["space"]["settings"])
    return space, space.parse(member["architecture"])
