"""Several sets of shared weights, one for each group of options of one decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

from torch import Tensor, nn

from azora.errors import SpaceError
from azora.networks.borrowed import Borrowed
from azora.networks.kernels import KernelTransforms
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
        SpaceError: the decision is no categorical choice that always exists, a group is empty or they do not hold each
            of its options once, or it decides kernels that are learned from larger ones.
    """
    choice = _splittable(parent.space, decision)
    given = [(option,) for option in choice.values] if groups is None else [tuple(group) for group in groups]
    if not all(given):
        raise SpaceError(f"{parent.space.name}: a group of {given} is empty; give each an option of {decision!r}")
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
    space = parent.space.constrain(None, "", **{decision: list(group) if len(group) > 1 else group[0]})
    part = SharedWeights(space, parent.seed, remembered=parent.remembered)
    state = {f"whole.{name}": _begun(parent, part, name) for name in part.whole.state_dict()}
    if parent.kernel_transforms:
        part.transforms, part.kernel_transforms = _transforms(parent, part, decision), True
        theirs = parent.transforms.state_dict()
        state |= {f"transforms.{name}": theirs[name] for name in part.transforms.state_dict()}
    part.load_state_dict(state)
    return part.to(next(parent.parameters()).device)


def _begun(parent: SharedWeights, part: SharedWeights, name: str) -> Tensor:
    """What a tensor of the part's whole network is in the parent's."""
    path, _, own = name.rpartition(".")
    large, small = parent.whole.get_submodule(path), part.whole.get_submodule(path)
    try:
        begun: Tensor = getattr(large, own)[index(box_of(large, small, own))]
    except Unsliceable as error:
        raise SpaceError(f"{part.space.name}: {name} cannot begin with the whole's weights: {error}") from None
    return begun


def _transforms(parent: SharedWeights, part: SharedWeights, decision: str) -> KernelTransforms:
    """The matrices between kernels of convolutions that are in the part; they lead from the largest one downwards."""
    convolutions = {path: module for path, module in part.whole.named_modules() if path in parent.transforms.sizes}
    for path, module in convolutions.items():
        if tuple(module.get_parameter("weight").shape[2:]) != parent.transforms.sizes[path][0]:
            raise SpaceError(f"{parent.space.name}: {decision!r} decides kernels that are learned; split on another")
    return KernelTransforms({path: parent.transforms.sizes[path] for path in convolutions})
