"""A network that writes the weights of every other network of a space.

What is generated: the weight of each linear layer and convolution, from the code of the whole architecture. What is
shared instead, as `SharedWeights` shares it, and learned freely: biases, and scale and shift of normalisations.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Tensor, nn

from azora.errors import ConfigError, SpaceError
from azora.networks.borrowed import Borrowed, Slot, Structure
from azora.networks.shared_weights import SharedWeights
from azora.space import Architecture, Product, Space

GENERATED = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
NORMS = nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.RMSNorm | nn.GroupNorm
GAIN = math.sqrt(2.0)  # of a row: activations keep their size through a rectified layer (He et al., 2015)
LAYER_CODE = 8  # learned numbers that tell layers apart
LEAST_NORM = 1e-12
MOST_PARAMETERS = 64_000_000  # a quarter of a gigabyte, three times as much while it is trained


@final
class Hypernetwork(nn.Module):
    """Writes weights from an architecture's code (Brock et al., 2018: SMASH).

    A layer's weight is the output of a multilayer perceptron over the architecture's code (`Space.encode`) and a
    learned code of the layer: `bases` hidden numbers, and a last linear layer of the layer's own whose bias is the
    whole network's weight. Of that output, as large as the largest such layer, an architecture gets the slice that
    `SharedWeights` would lend it, each row of it then scaled to the norm √2, whatever its number of inputs. Without
    that the scores of architectures do not tell which is better (Brock et al., 2018).

    Deviations: there, a convolutional network writes 1 × 1 convolutions alone, others are shared, and noise is put in.

    Args:
        space: of networks, constrained or not, or a product with one.
        seed: of the initial weights.
        bases: numbers that an architecture's code comes down to. With 0 there is no hypernetwork left: all
            architectures share one weight, normalised, which shows what generating is worth.
        hidden: width of the perceptron's one hidden layer.
        most_parameters: that the hypernetwork may have; there are `bases` + 1 times as many as the whole network has.

    Raises:
        SpaceError: the space cannot share weights, or has weights of a kind that is not generated; the error names it.
            Or it would take more parameters than it may have.
        ConfigError: `bases` is below 0 or `hidden` below 1.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        bases: int = 8,
        hidden: int = 64,
        most_parameters: int = MOST_PARAMETERS,
    ) -> None:
        super().__init__()
        if bases < 0 or hidden < 1:
            raise ConfigError(f"bases={bases} and hidden={hidden}: they must be at least 0 and 1")
        self.space, self.seed, self.bases = space, seed, bases
        self.shared = SharedWeights(space, seed)
        self._layers = {name: place for place, name in enumerate(_generated(space.name, self.shared.whole))}
        self._check_size(most_parameters)
        part, _ = space.root.builder() if isinstance(space.root, Product) else ("", space)
        self._columns = [place for place, name in enumerate(space.columns) if not part or name.startswith(f"{part}.")]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.codes = nn.Embedding(len(self._layers), LAYER_CODE)
            self.perceptron = nn.Sequential()
            self.heads = nn.ParameterDict()
            if bases:
                inputs, parameters = len(self._columns) + LAYER_CODE, dict(self.shared.whole.named_parameters())
                self.perceptron.extend([nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, bases)])
                self.heads.update({_key(name): _head(parameters[name], bases) for name in self._layers})

    def borrow(self, architecture: Architecture, *, learns: bool = True) -> Borrowed:
        """The architecture's network on weights written for it, in training mode; in eval mode where it does not learn.

        It lasts until the weights change. With `learns`, one backward pass through it reaches all that wrote them.

        Raises:
            SpaceError: a module of it cannot be sliced so.
        """
        structure, version = self.shared.structure(architecture), self.version
        # Weights are small and what is normalised must be exact: no narrow numbers here.
        with torch.set_grad_enabled(learns), torch.autocast(self._device.type, enabled=False):
            given = {**self._free(structure), **self._written(architecture, structure)}
        tensors = {**structure.views, **(given if learns else {name: each.detach() for name, each in given.items()})}
        return Borrowed(structure, tensors, {}, lambda: self.version == version, None).train(learns)

    def recalibrate(self, architecture: Architecture, batches: Iterable[Tensor]) -> Borrowed:
        """The architecture's network with batch-norm statistics of its own, measured on `batches`, in eval mode.

        Raises:
            SpaceError: a module of it cannot be sliced so.
            ValueError: it has batch normalisations, and there was no batch.
        """
        borrowed = self.borrow(architecture, learns=False)
        borrowed.measure_statistics(batches)
        return borrowed

    def extract(self, architecture: Architecture) -> nn.Module:
        """A stand-alone network with its own copies of the weights written for it, in eval mode.

        Raises:
            SpaceError: a module of it cannot be sliced so.
        """
        return self.borrow(architecture, learns=False).extract()

    @property
    def version(self) -> int:
        """Grows whenever the weights change."""
        return self.shared.version

    def changed(self) -> None:
        """Tell that the weights are not what they were: networks borrowed before refuse to run."""
        self.shared.changed()

    def __deepcopy__(self, memo: dict[int, Any]) -> Hypernetwork:
        """One of its own for the same space."""
        made = memo[id(self)] = Hypernetwork.__new__(Hypernetwork)
        memo[id(self.space)] = self.space
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    # Inside -----------------------------------------------------------------------------------------------------

    def _check_size(self, most: int) -> None:
        written = sum(self.shared.whole.get_parameter(name).numel() for name in self._layers)
        if (count := written * (self.bases + 1)) > most:
            raise SpaceError(
                f"{self.space.name}: the whole network has {written / 1e6:.1f} million weights to write, so a"
                f" hypernetwork of {self.bases} bases has {count / 1e6:.1f} million parameters, above"
                f" {most / 1e6:g} million; constrain widths and depths, or take fewer bases"
            )

    @property
    def _device(self) -> torch.device:
        return self.codes.weight.device

    def _free(self, structure: Structure) -> dict[str, Tensor]:
        """What is learned freely, with its history."""
        return {slot.name: _slice(slot.whole, slot) for slot in structure.parameters if slot.name not in self._layers}

    def _written(self, architecture: Architecture, structure: Structure) -> dict[str, Tensor]:
        slots = [slot for slot in structure.parameters if slot.name in self._layers]
        if not self.bases:
            return {slot.name: _normalised(_slice(slot.whole, slot)) for slot in slots}
        mixes = self._mixes(architecture, [self._layers[slot.name] for slot in slots])
        return {slot.name: self._weight(slot, mix) for slot, mix in zip(slots, mixes, strict=True)}

    def _mixes(self, architecture: Architecture, layers: list[int]) -> Tensor:
        """What the perceptron makes of the architecture in each of its layers: (layers, bases)."""
        row = self.space.encode(architecture)
        code = torch.tensor([2 * row[place] - 1 for place in self._columns], device=self._device)
        told = [code.expand(len(layers), -1), self.codes(torch.tensor(layers, device=self._device))]
        mixes: Tensor = self.perceptron(torch.cat(told, 1))
        return mixes

    def _weight(self, slot: Slot, mix: Tensor) -> Tensor:
        """The layer's own last linear layer, as far as the architecture takes it: (bases,) → (outputs, inputs, …)."""
        head: Tensor = self.heads[_key(slot.name)]
        part = head if slot.index is None else head[(slice(None), *slot.index)]
        bias = _slice(slot.whole, slot)
        return _normalised(bias + (mix @ part.flatten(1)).view(bias.shape))


def _generated(space: str, whole: nn.Module) -> list[str]:
    """The names of the weights that are written.

    Raises:
        SpaceError: there are others, which are no vectors, or none.
    """
    names, others = list[str](), list[tuple[str, nn.Module]]()
    modules = dict(whole.named_modules())
    for name, parameter in whole.named_parameters():
        path, _, tensor = name.rpartition(".")
        if isinstance(modules[path], GENERATED) and tensor == "weight":
            names.append(name)
        elif parameter.ndim > 1 and not isinstance(modules[path], NORMS):
            others.append((name, modules[path]))
    for name, module in others:
        raise SpaceError(
            f"{space}: a hypernetwork writes weights of linear layers and convolutions, and {name} of"
            f" {type(module).__name__} is neither; search this space with networks that are trained"
        )
    if not names:
        raise SpaceError(f"{space}: no network has a linear layer or a convolution that a hypernetwork could write")
    return names


def _head(weight: Tensor, bases: int) -> nn.Parameter:
    """(bases, *weight): together as large as the weight itself, where what the perceptron gives is about 1."""
    head = torch.empty(bases, *weight.shape)
    for each in head:
        nn.init.kaiming_uniform_(each, a=math.sqrt(5))  # as PyTorch begins linear layers and convolutions
    return nn.Parameter(head / math.sqrt(bases))


def _normalised(weight: Tensor) -> Tensor:
    """Every row, of all that one output is made of, scaled to one norm."""
    rows = weight.flatten(1)
    scale: Tensor = GAIN / rows.norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)
    return (rows * scale).view(weight.shape)


def _slice(whole: Tensor, slot: Slot) -> Tensor:
    return whole if slot.index is None else whole[slot.index]


def _key(name: str) -> str:
    return name.replace(".", "/")  # a parameter's name may hold no dot
