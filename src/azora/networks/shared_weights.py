"""One network that holds all of a space, and what every architecture borrows from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.networks.borrowed import BatchNorm, Borrowed, Recent, Slot, Structure
from azora.networks.complexity import signature_of
from azora.networks.coverage import covering
from azora.networks.decide import As, Everything
from azora.networks.gradients import Gradients
from azora.networks.kept_options import KeptOptions
from azora.networks.kernels import KernelTransforms, Size
from azora.networks.shapes_only import ShapesOnly
from azora.networks.shareable import check_flattened, check_tensors, kernel_sizes, refusal
from azora.networks.slicing import PLACE, Box, Unsliceable, box_of, index, whole
from azora.space import Architecture, Product, Space

REMEMBERED = 64  # architectures whose structure need not be built again; a large one takes a megabyte
RUN = 8  # architectures whose shapes are followed through a forward pass when the weights are made


@final
class SharedWeights(nn.Module):
    """The whole network of a space, from which any architecture borrows slices and runs.

    What is borrowed is told by the shapes of the architecture's own network, built on the meta device: the first
    channels, the centre of a kernel, the first blocks, the chosen options (Guo et al., 2020; Cai et al., 2020). A
    borrowed network gives, bit for bit, what `extract` gives as a stand-alone one. Gradients are added into `grad` of
    the borrowed parts alone; `azora.training.SharedOptimiser` moves nothing else, where one of torch's would decay and
    carry on by momentum what nobody used.

    Packed projections (queries, keys and values in one linear layer) look like any other: write them apart.

    Args:
        space: of networks, constrained or not, or a product with one.
        seed: of the initial weights.
        kernel_transforms: whether small kernels are learned from the centre of large ones, by matrices that are the
            identity at first, instead of being that centre.
        checked: that the space can be held was found out before, and need not be again.
        remembered: architectures whose structure is kept; what is not kept is built again on the meta device.

    Raises:
        SpaceError: the space cannot be held in one network, or a module of it cannot be sliced; the error names it.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        kernel_transforms: bool = False,
        remembered: int = REMEMBERED,
        checked: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.seed, self.kernel_transforms, self.remembered = space, seed, kernel_transforms, remembered
        part, _ = space.root.builder() if isinstance(space.root, Product) else ("", space)
        self._prefix = f"{part}." if part else ""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.whole: nn.Module = space.build(Everything(space))
        self.version = 0
        self.gradients = Gradients()
        self._modules_by_path = dict(self.whole.named_modules())
        self._recent, self._options = Recent(remembered), KeptOptions()
        self.transforms = KernelTransforms({})
        structures = [] if checked and not kernel_transforms else self._checked()
        if kernel_transforms:
            self.transforms = KernelTransforms(kernel_sizes(structures))
            self._recent = Recent(remembered)
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]

    def borrow(self, architecture: Architecture, *, learns: bool = True) -> Borrowed:
        """The architecture's network on shared weights, in training mode; in eval mode where it does not learn.

        It lasts until the weights change. With `learns`, its backward pass adds gradients to the borrowed parts.

        Raises:
            SpaceError: a module of it cannot be sliced so.
        """
        structure, version = self.structure(architecture), self.version
        tensors, lent = dict(structure.views), list[Lent]()
        for name, owner, part, box in structure.parts:
            tensors[name] = _leaf(owner, part, box, lent if learns else None)
        transforms = {}
        for slot in structure.parameters if self.kernel_transforms else ():
            if slot.steps:
                matrices = [(self.transforms.get_parameter(name), size) for name, size in slot.steps]
                transforms[slot.name] = [
                    (_leaf(matrix, matrix, whole(tuple(matrix.shape)), lent if learns else None), size)
                    for matrix, size in matrices
                ]
        collect = partial(_collect, self.gradients, lent) if learns else None
        return Borrowed(structure, tensors, transforms, lambda: self.version == version, collect).train(learns)

    def recalibrate(self, architecture: Architecture, batches: Iterable[Tensor]) -> Borrowed:
        """The architecture's network with batch-norm statistics of its own, measured on `batches`, in eval mode.

        The shared statistics are a mixture of all that trained, and say nothing of one architecture: judge with this.
        Scale and shift are the shared ones; the shared statistics stay as they are.

        Raises:
            SpaceError: a module of it cannot be sliced so.
            ValueError: it has batch normalisations, and there was no batch.
        """
        borrowed = self.borrow(architecture, learns=False)
        borrowed.measure_statistics(batches)
        return borrowed

    def extract(self, architecture: Architecture) -> nn.Module:
        """A stand-alone network with its own copies of what the architecture borrows, in eval mode.

        Raises:
            SpaceError: a module of it cannot be sliced so.
        """
        return self.borrow(architecture, learns=False).extract()

    def structure(self, architecture: Architecture) -> Structure:
        """The architecture's own network on the meta device, and what it borrows.

        Raises:
            SpaceError: a module of it cannot be sliced so.
        """
        # By decisions and not by key: networks that compute the same may be built differently.
        key = tuple((name, value) for name, value in architecture.items() if name.startswith(self._prefix))
        return self._recent.get(key, partial(self._built, architecture))

    def changed(self) -> None:
        """Tell that the weights are not what they were: networks borrowed before refuse to run."""
        self.version += 1

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedWeights:
        """Weights of their own for the same space."""
        made = memo[id(self)] = SharedWeights.__new__(SharedWeights)
        memo |= {id(self.space): self.space, id(self._recent): Recent(self.remembered)}
        memo[id(self._options)] = KeptOptions()
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> SharedWeights:
        """What `to` and its like do; tensors may lie elsewhere then."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._recent.forget()
        self.changed()
        return self

    # Inside -----------------------------------------------------------------------------------------------------

    def _checked(self) -> list[Structure]:
        """Structures in which every option occurs, after a look whether they can be shared."""
        name = self.space.name
        structures = [self.structure(architecture) for architecture in covering(self.space, self._prefix)]
        for structure in structures:
            check_tensors(name, structure)
        check_flattened(name, structures[:RUN], signature_of(self.space).shape)
        return structures

    def _built(self, architecture: Architecture) -> Structure:
        with ShapesOnly():
            network: nn.Module = self.space.build(self._options.deciding(architecture))
        modules = dict(network.named_modules())
        slot = partial(self._slot, modules)
        parameters = tuple(slot(name) for name, _ in network.named_parameters())
        buffers = tuple(slot(name) for name, _ in network.named_buffers())
        views = {slot.name: slot.part for slot in (*parameters, *buffers)}
        return Structure(network, partial(self.space.build, As(architecture)), parameters, buffers, views)

    def _slot(self, modules: dict[str, nn.Module], name: str) -> Slot:
        path, _, tensor = name.rpartition(".")
        small, large = modules[path], self._modules_by_path.get(path)
        if large is None:
            raise refusal(self.space.name, name, small, f"the whole network has none there; {PLACE}")
        try:
            box = box_of(large, small, tensor)
        except Unsliceable as error:
            raise refusal(self.space.name, name, small, str(error)) from None
        steps: tuple[tuple[str, Size], ...] = ()
        if tensor == "weight" and path in self.transforms.sizes:
            steps = tuple(self.transforms.steps(path, tuple(getattr(small, tensor).shape[2:])))
            box = self._before_steps(path, box, steps)
        everything = box == whole(tuple(getattr(large, tensor).shape))
        return Slot(name, large, tensor, box, None if everything else index(box), steps, isinstance(small, BatchNorm))

    def _before_steps(self, path: str, box: Box, steps: tuple[tuple[str, Size], ...]) -> Box:
        """What a transformed kernel is made of: the centre of the first step's size."""
        if not steps:
            return box
        _, size = steps[0]
        large = self.transforms.sizes[path][0]
        begins = [(great - small) // 2 for great, small in zip(large, size, strict=True)]
        return box[:2] + tuple((begin, begin + small) for begin, small in zip(begins, size, strict=True))


Lent = tuple[nn.Parameter, Box, Tensor]  # whose part, which one, and the leaf that stands for it


def _leaf(owner: Tensor, part: Tensor, box: Box, lent: list[Lent] | None) -> Tensor:
    """The part in one piece and without history; where `lent` is given, one that learns, and is entered there."""
    leaf = part.detach()
    if not leaf.is_contiguous():
        leaf = leaf.contiguous()
    if lent is not None and owner.requires_grad and isinstance(owner, nn.Parameter):
        lent.append((owner, box, leaf.requires_grad_()))
    return leaf


def _collect(gradients: Gradients, lent: list[Lent]) -> None:
    """Pass the leaves' gradients on to their owners."""
    given = [(owner, box, leaf.grad) for owner, box, leaf in lent if leaf.grad is not None]
    for _, _, leaf in lent:
        leaf.grad = None
    gradients.give(given)


def _loaded(shared: SharedWeights, keys: object) -> None:
    shared._recent.forget()  # the tensors may be others
    shared.changed()
