"""Several sets of shared weights, one for each group of options of one decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.borrowed import Borrowed
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import Unsliceable, box_of, index
from azora.settings import closest
from azora.space import Architecture, Categorical, Choice, Option, Space


@final
class SplitWeights(nn.Module):
    """A few-shot supernet (Zhao et al., 2021): each part is shared by the networks that take one of its options.

    Networks that differ in the decision pull shared weights to different places; apart, they no longer do. A network is
    borrowed from the part that holds its option; parts are trained by themselves (`azora.training.SplitTraining`).
    `split` makes the parts from trained weights.

    Args:
        space: of all networks.
        decision: a categorical choice of the space that always exists.
        groups: of its options, each option once.
        parts: the weights of each group, of the space constrained to it.
    """

    def __init__(
        self, space: Space, decision: str, groups: Sequence[Sequence[Option]], parts: Sequence[SharedWeights]
    ) -> None:
        super().__init__()
        self.space, self.decision, self.groups = space, decision, tuple(tuple(group) for group in groups)
        self.parts = nn.ModuleList(parts)
        self._of = {option: part for group, part in zip(groups, parts, strict=True) for option in group}

    def part(self, architecture: Architecture) -> SharedWeights:
        """The weights that the architecture borrows from."""
        return self._of[architecture[self.decision]]

    def borrow(self, architecture: Architecture, *, learns: bool = True) -> Borrowed:
        """As `SharedWeights.borrow`, from the architecture's part."""
        return self.part(architecture).borrow(architecture, learns=learns)

    def recalibrate(self, architecture: Architecture, batches: Iterable[Tensor]) -> Borrowed:
        """As `SharedWeights.recalibrate`, from the architecture's part."""
        return self.part(architecture).recalibrate(architecture, batches)

    def extract(self, architecture: Architecture) -> nn.Module:
        """As `SharedWeights.extract`, from the architecture's part."""
        return self.part(architecture).extract(architecture)


def split(parent: SharedWeights, decision: str, groups: Sequence[Sequence[Option]] | None = None) -> SplitWeights:
    """A part for each group of options of `decision` (None: for each option), begun with the weights of `parent`.

    At first every network gives what it gave before, bit for bit. The parent is not changed.

    Raises:
        SpaceError: the decision is no categorical choice that always exists, the groups do not hold each of its options
            once, or it decides kernels that are learned from larger ones.
    """
    choice = _splittable(parent.space, decision)
    given = [(option,) for option in choice.values] if groups is None else [tuple(group) for group in groups]
    if sorted(map(repr, choice.values)) != sorted(repr(option) for group in given for option in group):
        raise SpaceError(
            f"{parent.space.name}: the groups {given} do not hold each option of {decision!r} once;"
            f" it has {', '.join(map(str, choice.values))}"
        )
    return SplitWeights(parent.space, decision, given, [_part(parent, decision, group) for group in given])


def _splittable(space: Space, decision: str) -> Categorical:
    if decision not in space.choices:
        raise SpaceError(f"{space.name}: there is no choice {decision!r}; {closest(decision, space.choices)}")
    choice: Choice = space.choices[decision]
    if not isinstance(choice, Categorical) or len(choice.values) < 2:
        raise SpaceError(f"{space.name}: {decision!r} is no choice among several options; split on one that is")
    if choice.when:
        raise SpaceError(f"{space.name}: {decision!r} exists in some networks only; split on one that all have")
    return choice


def _part(parent: SharedWeights, decision: str, group: tuple[Option, ...]) -> SharedWeights:
    """Weights for the networks with an option of `group`, equal to what they borrow from the parent."""
    fixed: Option = list(group) if len(group) > 1 else group[0]
    space = parent.space.constrain(None, "", **{decision: fixed})
    part = SharedWeights(space, parent.seed, parent.kernel_transforms, parent.remembered)
    if parent.kernel_transforms:
        _take_transforms(parent, part, decision)
    modules = dict(parent.whole.named_modules())
    with torch.no_grad():
        for name, tensor in (*part.whole.named_parameters(), *part.whole.named_buffers()):
            path, _, own = name.rpartition(".")
            try:
                box = box_of(modules[path], part.whole.get_submodule(path), own)
            except Unsliceable as error:
                raise SpaceError(f"{space.name}: {name} cannot begin with the whole's weights: {error}") from None
            tensor.copy_(getattr(modules[path], own)[index(box)])
    part.to(next(parent.parameters()).device)
    return part


def _take_transforms(parent: SharedWeights, part: SharedWeights, decision: str) -> None:
    """Take over the matrices between kernels, which lead from each size to the next: all sizes must be in both."""
    paths = {path for path, _ in part.whole.named_modules()}
    theirs = {path: sizes for path, sizes in parent.transforms.sizes.items() if path in paths}
    if theirs != part.transforms.sizes:
        raise SpaceError(f"{parent.space.name}: {decision!r} decides learned kernels; split on another")
    matrices = parent.transforms.state_dict()
    part.transforms.load_state_dict({name: matrices[name] for name in part.transforms.state_dict()})
