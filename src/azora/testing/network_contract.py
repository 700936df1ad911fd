"""What every space of networks holds to."""

from __future__ import annotations

import random

import torch
from torch import nn

from azora.errors import SpaceError
from azora.networks.complexity import by_kind, cost, parameters, signature_of
from azora.networks.decide import As, Everything
from azora.networks.drawing import to_svg, to_text
from azora.networks.masked import maskable, open_numbers
from azora.networks.mixture import Relaxed
from azora.networks.relaxation import Moment
from azora.space import Architecture, Categorical, Space

SAMPLES = 6


class NetworkSpaceContract:
    """Subclass, and return your space from the `space` fixture."""

    def test_networks_take_the_task_and_give_its_outputs(self, space: Space) -> None:
        signature = signature_of(space)
        for architecture in _some(space):
            network = space.build(As(architecture)).train()
            out = network(torch.randn(4, *signature.shape))
            assert out.shape == (4, signature.outputs)
            out.square().mean().backward()
            assert all(torch.isfinite(each.grad).all() for each in network.parameters() if each.grad is not None)

    def test_familiar_points_are_points_of_the_space(self, space: Space) -> None:
        keys = {space.architecture(**decisions).key for decisions in space.familiar()}
        assert {architecture.key for architecture in space.known()} == keys

    def test_a_decision_that_changes_the_key_leaves_a_network_that_builds(self, space: Space) -> None:
        rng = random.Random(1)
        architecture = space.sample(rng)
        for _ in range(SAMPLES):
            moved = space.mutate(architecture, rng)
            assert moved.key != architecture.key
            with torch.device("meta"):
                assert parameters(space.build(As(moved))) > 0
            architecture = moved

    def test_the_same_seed_gives_the_same_weights(self, space: Space) -> None:
        architecture = space.sample(random.Random(2))
        first, second = _seeded(space, architecture), _seeded(space, architecture)
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_every_parameter_has_its_place_in_the_whole_network(self, space: Space) -> None:
        try:
            whole = dict(space.build(Everything(space)).named_parameters())
        except SpaceError as error:
            assert any(name in str(error) for name in space.choices), "a refusal names the choice"
            return
        for architecture in _some(space):
            for name, parameter in space.build(As(architecture)).named_parameters():
                assert name in whole
                sizes = zip(parameter.shape, whole[name].shape, strict=True)
                assert all(small <= large for small, large in sizes), f"{name} does not fit into the whole"

    def test_mixes_once_numbers_are_fixed_or_refuses_by_name(self, space: Space) -> None:
        architecture = space.sample(random.Random(3))
        numbers = {
            name: architecture.get(name, choice.values[0])
            for name, choice in space.choices.items()
            if isinstance(choice, Categorical) and choice.ordered and len(choice.values) > 1
        }
        part = space.constrain(None, "", **numbers)
        try:
            relaxed = Relaxed(part)
        except SpaceError as error:
            said = str(error)
            assert "nothing to mix" in said or any(name in said for name in space.choices), "a refusal names the choice"
            return
        assert all(part.choices[name].varies for name in relaxed.options)
        x, architecture = torch.randn(4, *signature_of(space).shape), part.sample(random.Random(4))
        relaxed.draw(Moment(0.0, True, torch.Generator()))
        relaxed(x).square().sum().backward()
        gradient = relaxed.logits.values.grad
        assert gradient is not None
        for name in relaxed.options:
            assert gradient[relaxed.logits.spans[name]].any(), f"{name} learns nothing"
        relaxed.decide(architecture)
        assert relaxed(x).shape == (4, signature_of(space).outputs)

    def test_numbers_by_which_modules_are_narrowed_learn_in_a_mixture(self, space: Space) -> None:
        try:
            masked = maskable(space)
        except SpaceError as error:
            assert any(name in str(error) for name in space.choices), "a refusal names the choice"
            return
        if not masked:
            return
        architecture = space.sample(random.Random(5))
        numbers = {
            name: architecture.get(name, next(space.choices[name].options()))
            for name in open_numbers(space)
            if name not in masked
        }
        relaxed = Relaxed(space.constrain(None, "", **numbers), masked=masked)
        relaxed.draw(Moment(0.0, True, torch.Generator()))
        relaxed(torch.randn(4, *signature_of(space).shape)).square().sum().backward()
        gradient = relaxed.logits.values.grad
        assert gradient is not None
        for name in masked:
            assert name not in relaxed.options or gradient[relaxed.logits.spans[name]].any(), f"{name} learns nothing"

    def test_costs_are_counted(self, space: Space) -> None:
        for architecture in _some(space):
            about = cost(space, architecture)
            assert about["params"] == parameters(space.build(As(architecture)))
            assert about["macs"] > 0
            assert about["memory"] > 4 * about["params"]

    def test_what_is_known_of_its_layers_is_what_its_networks_have(self, space: Space) -> None:
        shape = signature_of(space).shape
        for architecture in _some(space):
            if (told := space.root.kinds(architecture)) is not None:
                found = by_kind(space.build(As(architecture)).eval(), shape)
                assert {name: each for name, each in told.items() if each} == {
                    name: each for name, each in found.items() if each
                }

    def test_draws(self, space: Space) -> None:
        graph = space.graph(space.sample(random.Random(4)))
        names = {node.name for node in graph.nodes}
        assert all({edge.source, edge.target} <= names for edge in graph.edges)
        assert all(node.label in to_text(graph) for node in graph.nodes)
        assert to_svg(graph).startswith("<svg")


def _some(space: Space) -> list[Architecture]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(SAMPLES)]


def _seeded(space: Space, architecture: Architecture) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = space.build(As(architecture))
    return network.state_dict()
