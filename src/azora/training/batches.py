"""Rows in memory, and batches of them as a network takes them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from azora.tasks import Scaling, Signature, Split
from azora.training.augment import blank, gather, warp
from azora.training.mode import Mode
from azora.training.prepared import prepare
from azora.training.recipe import RecipeSettings
from azora.training.seeding import seed_draws

GROWING = 10.0  # epochs until augmentation has its full strength


@final
class Batches:
    """The rows of a split, kept as they came (a byte a pixel stays a byte) and scaled as they are drawn.

    Which rows make batch `step`, and how they are changed, is a function of the seed and of `step` alone, so training
    can be taken up anywhere.
    """

    def __init__(
        self,
        split: Split,
        signature: Signature,
        scaling: Scaling,
        batch_size: int,
        *,
        mode: Mode,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.signature, self.mode, self.seed, self.device = signature, mode, seed, device
        x = torch.from_numpy(split.x).to(device)
        mean, spread = scaling.mean, scaling.spread
        if scaling.raw:
            mean, spread = (0.0,), (1.0,)
        elif scaling.table is not None:
            # What has to be done once only is done here: the rows are kept as the network takes them.
            x, mean, spread = prepare(scaling.table, x), (0.0,), (1.0,)
        self.x = x.permute(0, 2, 3, 1).contiguous() if signature.pictures else x
        self.mean = torch.tensor(mean, device=device)
        self.scale = 1.0 / torch.tensor(spread, device=device)
        y = torch.from_numpy(split.y)
        if signature.kind == "regression":
            y = (y - torch.tensor(scaling.target_mean)) / torch.tensor(scaling.target_spread)
        self.y = y.to(device)
        # All batches of an epoch are of one size, give or take a row: a last batch of one would break normalisation.
        self.steps = max(1, round(len(split) / batch_size))
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, step: int, recipe: RecipeSettings) -> tuple[Tensor, Tensor]:
        """Batch `step` since the beginning, augmented: (B, C, H, W) or (B, F) float32, and targets."""
        self._seed(step)
        rows = self._rows(step)
        if not self.signature.pictures:
            return (self.x[rows].float() - self.mean) * self.scale, self.y[rows]
        side = min(self.signature.shape[1:])
        # Its full strength is for long trainings: in the first epochs it would only tell who learns in spite of it.
        strength = recipe.augmentation * min(1.0, step / (GROWING * self.steps))
        x = self._scaled(gather(self.x, rows, flip=recipe.flip))
        # What is warped is a little blurred, so half the batches are left sharp, as pictures are when they are judged.
        if step % 2:
            x = blank(x, round(strength * side / 2))
        elif strength > 0:
            x = self.mode.arrange(warp(x, strength))
        return x, self.y[rows]

    def plain(self, rows: slice | Tensor) -> Tensor:
        """These rows, scaled and otherwise as they are."""
        x = self.x[rows]
        if self.signature.pictures:
            return self._scaled(x)
        return (x.float() - self.mean) * self.scale

    def some(self, count: int) -> Tensor:
        """The numbers of up to `count` rows, mixed: a given split may be in the order of its classes."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randperm(len(self.x), generator=generator)[:count].to(self.device)

    def _scaled(self, x: Tensor) -> Tensor:
        return self.mode.arrange(((x.float() - self.mean) * self.scale).permute(0, 3, 1, 2))

    def _rows(self, step: int) -> Tensor:
        epoch, place = divmod(step, self.steps)
        count = len(self.x)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(count, generator=generator).to(self.device)
        return self._order[place * count // self.steps : (place + 1) * count // self.steps]

    def _seed(self, step: int) -> None:
        """Dropout and augmentation draw from the global generator, which is set anew for each step."""
        seed_draws((self.seed * 1_000_003 + step) % 2**63, self.device)
