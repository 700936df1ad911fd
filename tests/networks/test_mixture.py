"""Mixtures: what runs, what is refused, and that one option alone is the stand-alone network."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
import torch
from tests.networks.deriving import held
from tests.networks.mixing import PICTURES, doubled, nb201, random_of, seeded
from torch import nn

from azora.errors import ConfigError, SpaceError
from azora.networks.darts import Darts
from azora.networks.decide import As
from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.networks.relaxation import KINDS, Gate, Moment, Relaxation
from azora.operations import make_operation
from azora.space import Architecture, Space
from azora.tasks import Signature
from azora.training.bilevel import first_order

ROWS = Signature("classification", (7,), 3)
EDGES = tuple(f"operation_{source}_{node}" for node in (1, 2, 3) for source in range(node))
PASSING = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|nor_conv_3x3~1|skip_connect~2|"


def without_none() -> Space:
    kept = [name for name in NB201.operations if name != "none"]
    return nb201().constrain(None, "", **dict.fromkeys(EDGES, kept))


# What a pass runs ---------------------------------------------------------------------------------------------------


def counted(network: nn.Module) -> dict[Mixed, dict[int, int]]:
    """By mixed module, how often each of its options was called; in eval mode all are called by themselves."""
    calls: dict[Mixed, dict[int, int]] = {}
    for mixed in network.modules():
        if isinstance(mixed, Mixed):
            calls[mixed] = {}
            for place, option in enumerate(mixed.values()):
                option.register_forward_hook(_counter(calls[mixed], place))
    return calls


def _counter(calls: dict[int, int], place: int) -> Callable[..., None]:
    def count(*_: object) -> None:
        calls[place] = calls.get(place, 0) + 1

    return count


def test_gumbel_runs_exactly_one_option_of_every_choice() -> None:
    made = Relaxed(without_none(), Relaxation("gumbel")).eval()
    calls, generator, x = counted(made), seeded(), torch.randn(2, 3, 8, 8)
    assert len(calls) == 6 * 3
    for draw in range(5):
        made.draw(Moment(draw / 5, draw % 2 == 0, generator))
        made(x)
        for mixed, called in calls.items():
            weights = made.gates()[mixed.choice].weights
            (taken,) = called
            assert called == {taken: 1}
            assert torch.equal(weights, torch.eye(4)[taken])  # exactly, not but for rounding
            called.clear()


def test_what_hangs_on_a_drawn_none_is_not_run() -> None:
    made = Relaxed(nb201(), Relaxation("gumbel")).eval()
    calls, x = counted(made), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        for edge in ("operation_0_3", "operation_1_3", "operation_2_3"):
            made.logits[edge][0] = 60.0  # none into the last node: the cell gives nothing
    made.draw(Moment(0.0, True, seeded()))
    loss = made(x).square().sum()
    assert not any(calls.values())
    _, gradient = first_order(lambda: loss, made.logits.values)
    assert not bool(gradient.any())


def test_gumbel_gives_every_logit_a_gradient() -> None:
    made = Relaxed(without_none(), Relaxation("gumbel"))
    x = torch.randn(4, 3, 8, 8)
    made.draw(Moment(0.0, True, seeded()))
    (gradient,) = torch.autograd.grad(made(x).square().sum(), [made.logits.values])
    assert gradient.shape == (24,) and bool((gradient != 0).all())


@pytest.mark.parametrize(("kind", "learns", "count"), [("gumbel", True, 1), ("binary", True, 2), ("binary", False, 1)])
def test_while_training_only_what_is_drawn_learns(kind: str, learns: bool, count: int) -> None:
    made = Relaxed(nb201(), Relaxation(kind)).train()
    made.draw(Moment(0.0, learns, seeded(1)))
    made(torch.randn(4, 3, 8, 8)).square().sum().backward()
    for mixed in made.modules():
        if isinstance(mixed, Mixed):
            runs = made.gates()[mixed.choice].runs
            assert len(runs) == count
            for place, option in enumerate(mixed.values()):
                learned = any(parameter.grad is not None for parameter in option.parameters())
                assert not learned or place in runs


@pytest.mark.parametrize(("learns", "count"), [(True, 2), (False, 1)])
def test_binary_runs_a_second_option_only_while_logits_learn(learns: bool, count: int) -> None:
    made = Relaxed(without_none(), Relaxation("binary")).eval()
    calls, generator, x = counted(made), seeded(), torch.randn(2, 3, 8, 8)
    for _ in range(3):
        made.draw(Moment(0.5, learns, generator))
        made(x)
        for mixed, called in calls.items():
            gate = made.gates()[mixed.choice]
            assert called == dict.fromkeys(gate.runs, 1) and len(called) == count
            assert sorted(gate.weights.tolist()) == [0, 0, 0, 1] and gate.weights.requires_grad == learns
            called.clear()


@pytest.mark.parametrize("kind", ["gumbel", "binary"])
def test_single_paths_are_drawn_by_the_softmax(kind: str) -> None:
    logits, generator = torch.tensor([0.0, 1.0, 2.0]), seeded()
    draws = [Relaxation(kind).gate(logits, Moment(0.5, False, generator)).weights for _ in range(2000)]
    shares, expected = torch.stack(draws).mean(0), torch.softmax(logits, 0)
    assert float((2000 * (shares - expected).square() / expected).sum()) < 13.8  # chi-square, 2 degrees, one in 1000


def test_none_is_not_run_where_another_option_is() -> None:
    made = Relaxed(nb201(), Relaxation()).eval()
    calls = counted(made)
    made(torch.randn(2, 3, 8, 8))
    assert all(called == {1: 1, 2: 1, 3: 1, 4: 1} for called in calls.values())


def test_repeats_of_a_cell_share_their_logits() -> None:
    made = Relaxed(nb201(depth=2), Relaxation())
    assert len(made.logits.values) == 30
    assert {name: len(made.logits[name]) for name in made.logits} == dict.fromkeys(EDGES, 5)
    choices = [module.choice for module in made.modules() if isinstance(module, Mixed)]
    assert sorted(choices) == sorted(EDGES * 6)


# One option alone ---------------------------------------------------------------------------------------------------


def stand_alone(made: Relaxed, space: Space, architecture: Architecture) -> nn.Module:
    network: nn.Module = space.root.build(As(architecture))
    weights = made.network.state_dict()
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.train(made.training)


def spaces() -> Mapping[str, Space]:
    operations = ("skip_connect", "sep_conv_3x3", "dil_conv_3x3")
    kinds = ("conv_3x3", "depthwise_conv_3x3", "skip_connect", "none")
    return {
        "nb201": nb201(depth=2),
        "cells": held(make_space("cells", PICTURES, operations=kinds, widths=(4,))),
        "darts": Darts(PICTURES, width=4, layers=3, none=True, operations=operations),
        "stages": held(make_space("stages", PICTURES, per_block=True, widths=((4, 8), (8, 16)), depths=(2,))),
        "mlp": held(make_space("mlp", ROWS)),
    }


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["nb201", "cells", "darts", "stages", "mlp"])
def test_decided_it_says_what_the_stand_alone_network_says(name: str, training: bool) -> None:
    torch.manual_seed(0)
    space, rng = spaces()[name], random.Random(0)
    # What poolings say is normalised in a mixture alone.
    part = space.constrain(lambda each: "avg_pool_3x3" not in each.values(), "no pooling")
    made = Relaxed(space, Relaxation(), seed=1).train(training)
    for norm in (each for each in made.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)):
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.normal_(0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
    x = torch.randn(4, *(PICTURES if name != "mlp" else ROWS).shape)
    outputs = []
    for architecture in (part.sample(rng) for _ in range(4)):
        made.decide(architecture)
        taken = {name: gate.weights.tolist() for name, gate in made.gates().items()}
        values = made.options
        assert taken == {name: [float(architecture.get(name) == each) for each in values[name]] for name in values}
        outputs.append(made(x))
        torch.testing.assert_close(outputs[-1], stand_alone(made, space, architecture)(x), rtol=1e-4, atol=1e-4)
    assert len({float(out.detach().sum()) for out in outputs}) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_is_neither_weighed_nor_drawn(kind: str) -> None:
    """All passes run it with a weight of 1, the other choices as they did."""
    made, x = doubled(nb201(), Relaxation(kind, spread=0.5)), random_of(2, 3, 8, 8)
    made.taken["operation_0_3"] = 3
    gates = []
    for seed in range(4):
        made.draw(Moment(0.5, seed % 2 == 0, seeded(seed)))
        gates.append(made.gates()["operation_0_3"])
        assert made(x).isfinite().all()
    assert len({made.gates()[name].runs for name in EDGES}) > 1 or kind not in ("gumbel", "binary")
    made.settle()
    gates.append(made.gates()["operation_0_3"])
    assert all(gate.runs == (3,) and gate.weights.tolist() == [0, 0, 0, 1, 0] for gate in gates)
    made.left_out["operation_0_3"] = frozenset(range(5))
    made.settle()
    assert made.gates()["operation_0_3"].runs == () and not made.gates()["operation_0_3"].weights.any()


def test_an_option_that_is_decided_gives_what_it_says_and_is_not_multiplied() -> None:
    space, x = nb201(), random_of(2, 4, 8, 8).float()
    made = Relaxed(space, Relaxation()).eval()
    of = {each.choice: each for each in made.network.modules() if isinstance(each, Mixed)}
    made.decide(space.from_string(PASSING))
    assert of["operation_0_2"](x) is x  # a skip
    made.taken["operation_0_2"] = made.options["operation_0_2"].index("skip_connect")
    made.draw(Moment(0.5, True, seeded()))
    assert of["operation_0_2"](x) is x


def test_what_is_no_longer_in_the_mixture_cannot_be_decided() -> None:
    space = nb201()
    made = Relaxed(space, Relaxation(), kept={"operation_0_1": ("none", "conv_1x1")})
    with pytest.raises(SpaceError, match=r"operation_0_1='conv_3x3' is no longer in the mixture, which has none, conv"):
        made.decide(space.from_string(PASSING))


# Partial channels and edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_bypassed_channels_go_through_unchanged(stride: int, training: bool) -> None:
    taken: dict[str, Gate] = {"choice": Gate(torch.tensor([0.3, 0.7]), (0, 1))}
    options = {name: make_operation(name, 2, stride) for name in ("conv_3x3", "skip_connect")}
    mixed, x = Mixed("choice", options, taken, parts=4).train(training), torch.randn(3, 8, 6, 6)
    out = mixed(x)
    assert out.shape == (3, 8, 6 // stride, 6 // stride)
    in_turn = out.reshape(3, 2, 4, *out.shape[2:]).transpose(1, 2).reshape(out.shape)  # the shuffle taken back
    others = x[:, 2:] if stride == 1 else nn.functional.max_pool2d(x[:, 2:], 2)
    assert torch.equal(in_turn[:, 2:], others)
    alone = 0.3 * options["conv_3x3"](x[:, :2]) + 0.7 * options["skip_connect"](x[:, :2])
    torch.testing.assert_close(in_turn[:, :2], alone, rtol=1e-4, atol=1e-5)
    taken["choice"] = Gate(torch.tensor([0.3, 0.7]), (0, 1), edge=torch.tensor(0.25))
    torch.testing.assert_close(mixed(x), 0.25 * out)  # all of it, what went by too


def test_partial_networks_have_smaller_options_and_the_same_shapes() -> None:
    x = torch.randn(2, 3, 8, 8)
    space = Darts(PICTURES, width=16, layers=3)
    whole, part = Relaxed(space), Relaxed(space, Relaxation(channels=4, edges=True))
    assert whole(x).shape == part(x).shape == (2, 4)
    assert part.logits["normal_inputs_5"].shape == (5,) and "normal_inputs_5" not in whole.logits
    convolution = part.get_submodule("network.cells.0.edges.0_2.sep_conv_3x3.0.1")
    assert isinstance(convolution, nn.Conv2d) and convolution.in_channels == 4


@pytest.mark.parametrize(("width", "taken"), [(4, 4), (8, 4), (12, 4), (16, 4), (32, 8)])
def test_a_part_has_four_channels_at_least(width: int, taken: int) -> None:
    made = Relaxed(NB201(PICTURES, width=width, depth=1), Relaxation(channels=4))
    (first, *_) = [each for each in made.modules() if isinstance(each, Mixed)]
    convolution = next(each for each in first.modules() if isinstance(each, nn.Conv2d))
    assert convolution.in_channels == taken
    assert made(torch.randn(2, 3, 8, 8)).shape == (2, 4)


def test_inputs_are_weighed_against_each_other() -> None:
    made = Relaxed(Darts(PICTURES, width=4, layers=3), Relaxation(edges=True))
    with torch.no_grad():
        made.logits["normal_inputs_3"].copy_(torch.tensor([0.0, 1.0, 2.0]))
    made.draw(Moment(0.0, True, seeded()))
    edges = [made.gates()[f"normal_operation_{source}_3"].edge for source in range(3)]
    found = torch.stack([edge for edge in edges if edge is not None])
    torch.testing.assert_close(found, torch.softmax(torch.tensor([0.0, 1.0, 2.0]), 0))
    torch.testing.assert_close(made.strengths()["normal_inputs_3"], found.detach())


# What is refused ----------------------------------------------------------------------------------------------------


def test_numbers_are_refused_by_name() -> None:
    with pytest.raises(SpaceError, match="'shrink' is a number, which cannot be mixed; constrain it to one value"):
        Relaxed(make_space("cells", PICTURES))


def test_a_space_with_nothing_to_mix_is_refused() -> None:
    with pytest.raises(SpaceError, match="'nb201' has no choice of a module that is open: there is nothing to mix"):
        Relaxed(nb201().constrain(None, "", **dict.fromkeys(EDGES, "conv_1x1")))


def test_a_part_of_unknown_channels_is_refused_by_name() -> None:
    space = held(make_space("stages", PICTURES, per_block=True))
    with pytest.raises(SpaceError, match="'block_0_0' does not say how many channels its modules have"):
        Relaxed(space, Relaxation(channels=4))
    assert Relaxed(space, Relaxation(channels=1)).options


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"kind": "softmx"}, "no relaxation 'softmx'; did you mean 'softmax'"),
        ({"temperature": (1.0, 0.0)}, "must be above 0"),
        ({"cooling": "fast"}, "cooling='fast'"),
        ({"drop": 1.0}, "drop=1.0 from 0 to below 1"),
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"noise": (0.0, -1.0)}, "at least 0"),
    ],
)
def test_what_a_relaxation_cannot_be(about: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Relaxation(**about)  # type: ignore[arg-type]


COMPILER = """
import sys
from azora.networks.mixture import Relaxed
from azora.networks.nb201 import NB201
from azora.networks.relaxation import KINDS, Relaxation
from azora.networks.shapes_only import ShapesOnly
from azora.tasks import Signature
with ShapesOnly():
    for kind in KINDS:
        Relaxed(NB201(Signature("classification", (3, 8, 8), 10), 4, 1), Relaxation(kind, channels=1))
print("torch._dynamo" in sys.modules or "sympy" in sys.modules)
"""


def test_a_mixture_that_is_only_checked_does_not_need_the_compiler() -> None:
    """Which takes seconds to import, of a search's budget."""
    done = subprocess.run([sys.executable, "-c", COMPILER], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
