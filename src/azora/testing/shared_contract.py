"""What every space holds to whose networks share weights."""

from __future__ import annotations

import copy
import random
from functools import lru_cache

import torch
from torch import Tensor, nn

from azora.networks.borrowed import BatchNorm
from azora.networks.complexity import signature_of
from azora.networks.shared_weights import SharedWeights
from azora.networks.slicing import index
from azora.space import Architecture, Space
from azora.training import SharedOptimiser

SAMPLES = 4


class SharedWeightsContract:
    """Subclass, and return your space from the `space` fixture: the same one every time saves making the weights.

    `samples` random architectures are looked at in every test; weights are set at random first, so that nothing is
    equal because it is zero or one.
    """

    samples = SAMPLES

    def test_a_borrowed_network_gives_bit_for_bit_what_the_extracted_one_gives(self, space: Space) -> None:
        shared, x = _scattered(_shared(space)), _rows(space, 3)
        for architecture in self._some(space):
            borrowed, alone = shared.borrow(architecture, learns=False), shared.extract(architecture)
            assert not alone.training
            with torch.no_grad():
                assert torch.equal(borrowed(x), alone(x)), f"{architecture.key} differs from its extraction"

    def test_an_extracted_network_has_copies_of_its_own(self, space: Space) -> None:
        shared = _scattered(_shared(space))
        before = _copies(shared)
        for architecture in self._some(space)[:2]:
            alone = shared.extract(architecture)
            with torch.no_grad():
                for tensor in (*alone.parameters(), *alone.buffers()):
                    tensor.add_(1)
        assert all(torch.equal(before[name], value) for name, value in shared.state_dict().items())

    def test_gradients_reach_the_borrowed_slices_and_nothing_else(self, space: Space) -> None:
        shared, x = _shared(space), _rows(space, 8)
        for architecture in self._some(space):
            alone = shared.extract(architecture).train()
            shared.zero_grad()
            for network in (shared.borrow(architecture), alone):
                torch.manual_seed(0)  # of dropout and noise
                network(x).square().mean().backward()
            expected = {name: torch.zeros_like(each) for name, each in shared.named_parameters()}
            got = {name for name, each in alone.named_parameters() if each.grad is not None}
            for name, part in self._slices(shared, architecture):
                if name in got:
                    gradient = alone.get_parameter(name).grad
                    expected[f"whole.{name}"][part] = gradient if gradient is not None else 0.0
            for name, each in shared.named_parameters():
                given = torch.zeros_like(each) if each.grad is None else each.grad
                assert torch.equal(given, expected[name]), f"{name}: gradients are not those of the slice alone"

    def test_a_step_moves_the_borrowed_slices_and_nothing_else(self, space: Space) -> None:
        shared, x = _scattered(_shared(space)), _rows(space, 8)
        optimiser = SharedOptimiser(shared, weight_decay=0.1)
        for architecture in self._some(space):
            before, moments = _copies(shared), {name: each.clone() for name, each in optimiser.state().items()}
            optimiser.zero_grad()
            shared.borrow(architecture)(x).square().mean().backward()
            optimiser.step(1e-3)  # many steps must not diverge: what is no number is unequal to itself
            used = {name: torch.zeros_like(each, dtype=torch.bool) for name, each in shared.named_parameters()}
            for name, part in self._slices(shared, architecture):
                used[f"whole.{name}"][part] = True
            moved = False
            for name, parameter in shared.named_parameters():
                changed = parameter != before[name]
                assert not (changed & ~used[name]).any(), f"{name} moved where nobody borrowed"
                assert torch.equal(optimiser.state()[name][~used[name]], moments[name][~used[name]])
                moved = moved or bool(changed.any())
            assert moved, "nothing moved"
        assert all(parameter.isfinite().all() for parameter in shared.parameters())

    def test_recalibration_measures_statistics_and_keeps_all_else(self, space: Space) -> None:
        shared, batches = _scattered(_shared(space)), [_rows(space, 8, seed) for seed in (1, 2)]
        before = _copies(shared)
        for architecture in self._some(space)[:3]:
            judged = shared.recalibrate(architecture, batches)
            alone = shared.extract(architecture)
            for norm in _norms(alone):
                norm.reset_running_stats()
                norm.momentum = None
                norm.train()
            with torch.no_grad():
                for batch in batches:
                    alone(batch)
                assert torch.equal(judged(batches[0]), alone.eval()(batches[0]))
                assert torch.equal(judged.extract()(batches[0]), judged(batches[0]))
        assert all(torch.equal(before[name], value) for name, value in shared.state_dict().items())

    def _some(self, space: Space) -> list[Architecture]:
        rng = random.Random(0)
        return [space.sample(rng) for _ in range(self.samples)]

    def _slices(self, shared: SharedWeights, architecture: Architecture) -> list[tuple[str, tuple[slice, ...]]]:
        return [(slot.name, index(slot.box)) for slot in shared.borrow(architecture).structure.parameters]


@lru_cache(maxsize=32)
def _made(space: Space) -> SharedWeights:
    return SharedWeights(space)


def _shared(space: Space) -> SharedWeights:
    """Shared weights of one's own; what is checked when they are made is checked once."""
    return copy.deepcopy(_made(space))


def _rows(space: Space, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *signature_of(space).shape, generator=generator)


def _copies(shared: SharedWeights) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in shared.state_dict().items()}


def _norms(network: nn.Module) -> list[BatchNorm]:
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


def _scattered(shared: SharedWeights) -> SharedWeights:
    """Shared weights with scales, shifts and statistics that are all different."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*shared.parameters(), *shared.buffers()):
            if tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    shared.changed()
    return shared
