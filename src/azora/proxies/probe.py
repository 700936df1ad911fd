"""What a proxy looks at: a network as it is before training, and a few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from azora.networks.decide import As
from azora.space import Architecture, Space
from azora.tasks import SearchData, Signature
from azora.training.batches import Batches
from azora.training.mode import Mode


@final
@dataclass(frozen=True)
class Probe:
    """Rows as a network takes them: `x` (B, *shape) float32, `y` (B,) class numbers or (B, outputs) targets."""

    x: Tensor
    y: Tensor
    kind: str = "classification"

    @classmethod
    def of(cls, data: SearchData, rows: int = 64, seed: int = 0) -> Probe:
        """Up to `rows` rows of search-train, drawn by `seed`."""
        batches = Batches(data.train, data.signature, data.scaling, rows, mode=Mode(), seed=seed)
        chosen = batches.some(rows)
        return cls(batches.plain(chosen), batches.y[chosen], data.signature.kind)

    @classmethod
    def noise(cls, signature: Signature, rows: int = 64, seed: int = 0) -> Probe:
        """Rows of normal noise with labels by chance, for those who have no data yet."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(rows, *signature.shape, generator=generator)
        if signature.kind == "classification":
            return cls(x, torch.randint(signature.outputs, (rows,), generator=generator))
        return cls(x, torch.randn(rows, signature.outputs, generator=generator), signature.kind)

    def loss(self, outputs: Tensor) -> Tensor:
        """The mean over the rows of cross-entropy, or of the squared error."""
        if self.kind == "classification":
            return nn.functional.cross_entropy(outputs, self.y)
        return nn.functional.mse_loss(outputs, self.y)

    def halves(self) -> tuple[Probe, Probe]:
        """Two batches of half the rows."""
        middle = len(self.x) // 2
        first, second = slice(middle), slice(middle, 2 * middle)
        return Probe(self.x[first], self.y[first], self.kind), Probe(self.x[second], self.y[second], self.kind)


def fresh(space: Space, architecture: Architecture, seed: int = 0) -> nn.Module:
    """The network of an architecture with Kaiming's normal weights by fan-in (He et al., 2015), no biases
    and no dropout: (B, *shape) → (B, outputs), in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = space.root.build(As(architecture))
        for module in network.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Dropout):
                module.p = 0.0
    return network.train()


def weights(network: nn.Module) -> list[nn.Parameter]:
    """The matrices and kernels: no biases, no normalisations."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1]
