"""The contract for every shipped space, and what is particular to each."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

from azora.errors import ConfigError, SpaceError
from azora.networks.blocks import InvertedBottleneck, Separable
from azora.networks.complexity import cost, macs, parameters
from azora.networks.darts import Darts, to_genotype
from azora.networks.decide import As, Everything, Options
from azora.networks.mixture import Mixture
from azora.networks.nb201 import NB201, published_string_rule, to_string
from azora.networks.registry import SPACES, make_space
from azora.networks.skeleton import stem
from azora.operations import DEFAULT_OPERATIONS
from azora.space import Product, Space
from azora.tasks import Signature
from azora.testing import NetworkSpaceContract
from azora.training import Recipe

PICTURES = Signature("classification", (3, 12, 12), 10)
ROWS = Signature("classification", (7,), 3)
PUBLISHED_ALL_CONV = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def small(name: str, signature: Signature = PICTURES) -> Space:
    settings = {"nb201": {"width": 4, "depth": 1}, "darts": {"width": 4, "layers": 3}}
    return make_space(name, signature, **settings.get(name, {}))


class TestSpaces(NetworkSpaceContract):
    @pytest.fixture(params=[*SPACES, "mlp-rows", "residual-rows", "stages-per-block", "stages-candidates", "product"])
    def space(self, request: pytest.FixtureRequest) -> Space:
        if request.param.endswith("-rows"):
            return small(request.param.removesuffix("-rows"), ROWS)
        if request.param == "stages-per-block":
            return make_space("stages", PICTURES, per_block=True)
        if request.param == "stages-candidates":
            return make_space("stages", PICTURES, per_block=True, candidates=True)
        if request.param == "product":
            return Product(network=small("cells"), recipe=Recipe(PICTURES))
        return small(request.param)


def test_familiar_points_are_those_that_the_limits_allow() -> None:
    space = Product(network=small("cells"), recipe=Recipe(PICTURES))
    every = list(space.known())
    assert {each["network.operation_0_1"] for each in every} == {"conv_3x3"}
    assert all(each["recipe.optimiser"] == "sgd" for each in every)
    narrow = space.constrain(lambda each: each["network.width"] < 24, "narrow")
    assert [each["network.width"] for each in narrow.known()] == [16]
    without = make_space("cells", PICTURES, operations=["max_pool_3x3", "skip_connect"])
    assert not list(without.known())
    assert not list(NB201(PICTURES).known())


def test_cells_search_nine_operations_and_the_connections() -> None:
    space, seen, inputs = small("cells"), set[str](), set[object]()
    rng = random.Random(0)
    for _ in range(200):
        architecture = space.sample(rng)
        seen.update(value for name, value in architecture.items() if name.startswith("operation"))
        inputs.add(architecture["inputs_3"])
    assert seen == set(DEFAULT_OPERATIONS)
    assert inputs == {(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)}


def test_cells_that_pass_nothing_are_refused_with_a_reason() -> None:
    space = small("cells")
    dead = {"inputs_1": (0,), "operation_0_1": "none", "inputs_2": (1,), "operation_1_2": "conv_3x3"}
    with pytest.raises(SpaceError, match="something must get from the cell's input to its output"):
        space.architecture(shrink=1, width=8, depth=1, inputs_3=(2,), operation_2_3="conv_3x3", **dead)


def test_what_is_cut_off_changes_neither_key_nor_network() -> None:
    space = small("cells")
    lives = {"shrink": 1, "width": 8, "depth": 1, "inputs_1": (0,), "operation_0_1": "conv_3x3", "inputs_2": (1,)}
    one = space.architecture(**lives, operation_1_2="none", inputs_3=(2,), operation_2_3="conv_5x5")
    other = space.architecture(**lives, operation_1_2="none", inputs_3=(2,), operation_2_3="max_pool_3x3")
    assert one == other
    assert dict(one) != dict(other)
    assert cost(space, one) == cost(space, other)


def test_the_order_of_a_sum_is_no_difference_and_skips_are_none() -> None:
    space = small("nb201")
    first = space.from_string("|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|")  # type: ignore[attr-defined]
    second = space.from_string("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")  # type: ignore[attr-defined]
    assert first == second


def test_nb201_has_the_published_strings_keys_and_isomorphisms() -> None:
    space = NB201(PICTURES)
    every = list(space)
    assert space.size() == len(every) == 15_625
    assert len({architecture.key for architecture in every}) == 4_930
    assert len({published_string_rule(architecture) for architecture in every}) == 6_466
    strings = [to_string(architecture) for architecture in every]
    assert len(set(strings)) == 15_625
    for place in range(0, len(every), 23):  # no multiple of 5: all words stand on all edges
        assert dict(space.from_string(strings[place])) == dict(every[place])


def test_nb201_tells_which_edges_nothing_reads() -> None:
    space = small("nb201")
    cell = space.from_string("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|")
    assert set(space.unread(cell)) == {"operation_0_1", "operation_0_2", "operation_1_2"}
    cell = space.from_string("|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|")
    assert set(space.unread(cell)) == set(), "by way of the second node"
    cell = space.from_string("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|skip_connect~2|")
    assert set(space.unread(cell)) == {"operation_0_1"}


def test_nb201_in_the_published_skeleton_has_the_published_number_of_parameters() -> None:
    space = NB201(Signature("classification", (3, 32, 32), 10))
    with torch.device("meta"):
        full = space.build(As(space.from_string(PUBLISHED_ALL_CONV)))
        bare = space.build(As(space.from_string("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")))
    assert parameters(full) == 1_531_546
    assert parameters(bare) == 73_306
    # By hand: 6 convolutions of 9·C² a cell, 5 cells a stage; each stage costs the same, for halves and doubles cancel.
    cells = macs(full, (3, 32, 32)) - macs(bare, (3, 32, 32))
    assert cells == 3 * 5 * 6 * 9 * 16 * 16 * 32 * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|nor_conv_3x3~0|",
        PUBLISHED_ALL_CONV.replace("nor_conv_3x3~2", "nor_conv_3x3~7"),
        PUBLISHED_ALL_CONV + "x",
        "|none~0" + PUBLISHED_ALL_CONV,
    ],
)
def test_nb201_strings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SpaceError, match="not of the form"):
        NB201(PICTURES).from_string(text)


GENOTYPE = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],"
    " normal_concat=range(2, 6), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2),"
    " ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],"
    " reduce_concat=range(2, 6))"
)


def test_darts_reads_and_writes_the_published_genotype() -> None:
    space = Darts(PICTURES, width=4, layers=3)
    architecture = space.from_genotype(GENOTYPE)
    assert architecture["normal_operation_2_5"] == "dil_conv_3x3"
    assert space.from_genotype(to_genotype(architecture)) == architecture
    with pytest.raises(SpaceError, match="has no reduce"):
        space.from_genotype(GENOTYPE.partition(", reduce=")[0])


def test_a_genotype_that_joins_other_nodes_is_refused() -> None:
    text = GENOTYPE.replace("normal_concat=range(2, 6)", "normal_concat=[4, 5]")
    with pytest.raises(SpaceError, match=r"normal_concat=\[4, 5\] is not of this space"):
        Darts(PICTURES, width=4, layers=3).from_genotype(text)


def test_darts_v2_has_the_published_number_of_parameters() -> None:
    # 3.35 M without the auxiliary head at 36 channels and 20 cells, as the authors report 3.3 M.
    space = Darts(Signature("classification", (3, 32, 32), 10), width=36, layers=20)
    with torch.device("meta"):
        network = space.build(As(space.from_genotype(GENOTYPE)))
    assert 3.2e6 < parameters(network) < 3.5e6


def test_stages_decide_only_blocks_that_exist() -> None:
    space = make_space("stages", PICTURES, per_block=True)
    shallow = space.constrain(None, "", depth_0=1).sample(random.Random(0))
    assert "block_0_0" in shallow
    assert "block_0_1" not in shallow
    for name, value in shallow.items():
        if name.startswith("block"):
            assert (f"expansion{name[5:]}" in shallow) == value.startswith("inverted")


def test_one_choice_may_decide_a_block() -> None:
    settings: dict[str, Any] = {"blocks": ("inverted", "separable"), "expansions": (1, 6), "depths": (3,)}
    space = make_space("stages", PICTURES, per_block=True, candidates=True, **settings)
    words = ("inverted_k3_e1", "inverted_k3_e6", "inverted_k5_e1", "inverted_k5_e6", "separable_k3", "separable_k5")
    assert tuple(space.choices["block_1_0"].options()) == words
    assert tuple(space.choices["block_1_2"].options()) == (*words, "skip_connect")
    assert not any(name.startswith(("kernel", "expansion")) for name in space.choices)
    blocks = {"block_1_0": "inverted_k5_e6", "block_1_1": "separable_k3", "block_1_2": "skip_connect"}
    network = space.build(As(space.architecture(**{**space.sample(random.Random(0)), **blocks})))
    made = [next(iter(network.stage_1[place].values())) for place in range(3)]  # type: ignore[index,union-attr,operator]
    assert isinstance(made[0], InvertedBottleneck) and made[0].depthwise[0].kernel_size == (5, 5)
    assert made[0].depthwise[0].in_channels == 6 * made[0].widen[0].in_channels
    assert isinstance(made[1], Separable) and isinstance(made[2], nn.Identity)
    whole = make_space("stages", PICTURES, candidates=True)  # of all blocks of a stage, which cannot all be skips
    assert "skip_connect" not in whole.choices["block_1"].options()


def test_where_a_skip_stands_makes_no_other_network() -> None:
    space = make_space("stages", PICTURES, per_block=True, candidates=True, depths=(2, 3))
    decided = {**space.sample(random.Random(0)), "depth_1": 3, "block_1_0": "residual_k3", "block_1_1": "separable_k3"}
    first = space.architecture(**{**decided, "block_1_2": "skip_connect"})
    moved = space.architecture(**{**decided, "block_1_1": "skip_connect", "block_1_2": "separable_k3"})
    assert first == moved == space.architecture(**{**decided, "depth_1": 2})
    assert first != space.architecture(**{**decided, "block_1_2": "separable_k3"})
    assert cost(space, first)["macs"] == cost(space, moved)["macs"]


def test_a_decided_network_runs_one_option_and_an_open_one_refuses() -> None:
    space = small("nb201")
    decided = space.build(As(space.sample(random.Random(0))))
    assert all(len(each) == 1 for each in decided.modules() if isinstance(each, Options))
    with pytest.raises(RuntimeError, match=r"5 options are open .none, skip_connect"):
        space.build(Everything(space))(torch.randn(2, 3, 12, 12))


def test_cells_of_one_key_that_share_a_node_or_copy_it_have_their_own_costs() -> None:
    space = NB201(PICTURES, width=4, depth=1)
    shares = space.from_string("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")
    copies = space.from_string("|none~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|none~1|nor_conv_1x1~2|")
    assert shares == copies
    for architecture in (shares, copies):
        assert cost(space, architecture)["params"] == parameters(space.build(As(architecture)))
    assert cost(space, shares)["params"] < cost(space, copies)["params"]


@pytest.mark.parametrize("pixels", [64, 96, 128, 224])
def test_the_stem_skips_no_pixel_of_a_large_picture(pixels: int) -> None:
    first = stem(Signature("classification", (1, pixels, pixels), 2), 2).eval()
    x = torch.rand(1, 1, pixels, pixels, requires_grad=True)
    out = first(x)
    out.abs().sum().backward()
    assert out.shape[2:] == (32, 32)
    assert x.grad is not None
    inside = pixels - pixels // 64  # half a stride at the far border is beyond the last window
    assert (x.grad[..., :inside, :inside] != 0).all()


@pytest.mark.parametrize(("pixels", "left"), [(8, 8), (15, 15), (16, 8), (28, 14), (32, 16), (64, 16), (224, 16)])
def test_a_stem_may_shrink_a_picture_further_while_enough_is_left(pixels: int, left: int) -> None:
    signature = Signature("classification", (1, pixels, pixels), 2)
    assert stem(signature, 2, shrink=2)(torch.rand(2, 1, pixels, pixels)).shape[2:] == (left, left)


def test_shrinking_what_is_not_shrunk_makes_no_second_network() -> None:
    for pixels, same in ((8, True), (32, False)):
        space = small("cells", Signature("classification", (1, pixels, pixels), 2))
        one = space.sample(random.Random(0))
        assert (
            space.architecture(**{**one, "shrink": 1}).key == space.architecture(**{**one, "shrink": 2}).key
        ) == same


@pytest.mark.parametrize("name", ["cells", "stages", "nb201"])
@pytest.mark.parametrize("pixels", [2, 3, 4, 8])
def test_small_pictures_are_never_halved_below_two_pixels(name: str, pixels: int) -> None:
    space = small(name, Signature("classification", (1, pixels, pixels), 3))
    sizes: list[int] = []
    network = space.build(As(space.sample(random.Random(0))))
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size != (1, 1):
            module.register_forward_hook(lambda module, inputs, output: sizes.append(min(output.shape[2:])))
    network(torch.randn(2, 1, pixels, pixels))
    assert min(sizes) >= 2


class _Recurrent(torch.nn.Module):
    """(B, T, 8) → (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = torch.nn.GRU(8, 16, batch_first=True), torch.nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.layer(x)[0][:, -1])
        return out


def test_layers_of_own_spaces_are_counted_too() -> None:
    assert macs(torch.nn.Conv1d(2, 4, 3, padding=1), (2, 10)) == 4 * 10 * 2 * 3
    assert macs(torch.nn.ConvTranspose2d(4, 8, 2, 2), (4, 6, 6)) == 4 * 6 * 6 * 8 * 2 * 2
    assert macs(_Recurrent(), (5, 8)) == 16 * 3  # only its linear layer is of a kind that is counted


def test_a_mixture_refuses_numbers_by_name() -> None:
    space = small("cells")
    with pytest.raises(SpaceError, match="'shrink' is a number, which cannot be mixed"):
        space.build(Mixture(space))


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("cels", {}, ConfigError, "there is no space 'cels'; did you mean 'cells'"),
        ("cells", {"nodez": 2}, ConfigError, "Cells has no setting 'nodez'; did you mean 'nodes'"),
        ("cells", {"operations": ["conv_3x4"]}, SpaceError, "there is no operation 'conv_3x4'"),
        ("cells", {"nodes": 0}, SpaceError, "cells: nodes must be whole numbers of at least 1, got 0"),
        ("cells", {"depths": [1.5]}, SpaceError, "cells: depths must be whole numbers of at least 1, got 1.5"),
        ("nb201", {"depth": 0}, SpaceError, "nb201: depth must be whole numbers of at least 1, got 0"),
        ("mlp", {"widths": [0]}, SpaceError, "mlp: widths must be whole numbers of at least 1, got 0"),
        ("mlp", {"dropouts": [1.0]}, SpaceError, "mlp: dropouts must be at least 0 and below 1, got 1.0"),
        ("residual", {"expansions": [0]}, SpaceError, "residual: expansions must be whole numbers of at least 1"),
        ("residual", {"residual_dropouts": [1]}, SpaceError, "residual: residual_dropouts must be at least 0"),
        ("stages", {"kernels": [4]}, SpaceError, "stages: kernels must be odd"),
        ("stages", {"expansions": [0]}, SpaceError, "stages: expansions must be whole numbers"),
        ("stages", {"widths": []}, SpaceError, "stages: widths needs one list a stage"),
        ("stages", {"resolutions": [-1]}, SpaceError, "stages: resolutions must be above 0 and at most 1, got -1"),
        ("stages", {"blocks": ["residul"]}, SpaceError, "there is no block residul"),
        ("nosuch.module:Space", {}, ConfigError, "importing nosuch.module failed"),
        ("azora.trial:Report", {}, ConfigError, "is not an azora.space.Space"),
    ],
)
def test_wrong_names_and_settings(name: str, settings: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_space(name, PICTURES, **settings)


def test_a_space_for_pictures_refuses_rows() -> None:
    with pytest.raises(SpaceError, match="the task has rows of 7 columns; use mlp"):
        make_space("cells", ROWS)
    assert make_space("auto", ROWS).name == "mlp"
    assert make_space("auto", PICTURES).name == "cells"


def test_sizes_are_exact() -> None:
    tiny = make_space("cells", PICTURES, nodes=2, operations=["conv_3x3", "none"], widths=[8], depths=[1])
    assert tiny.size() == sum(1 for _ in tiny)
    assert make_space("mlp", ROWS, depths=(1, 2), widths=(8, 16)).size() == (2 + 4) * 4 * 3 * 4 * 2
