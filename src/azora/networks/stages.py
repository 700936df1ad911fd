"""Macro search: what each stage of a network is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

from torch import nn

from azora.errors import SpaceError
from azora.networks.blocks import InvertedBottleneck, Residual, Resize, Separable
from azora.networks.checks import check_counts, check_pictures, check_shares
from azora.networks.complexity import by_kind, measure, parameters, with_weights
from azora.networks.decide import Decide
from azora.networks.shapes_only import ShapesOnly
from azora.networks.skeleton import Head, halves, stem, stem_stride
from azora.space import Architecture, Categorical, Choice, Edge, Graph, Node, Option, Space, When
from azora.tasks import Signature

BLOCKS = ("residual", "inverted", "inverted_se", "separable")
SKIP = "skip_connect"
WIDTHS = ((8, 12, 16, 24, 32), (16, 24, 32, 48, 64), (32, 48, 64, 96, 128))


@final
class Stages(Space):
    """Depth, width, kernel, expansion and kind of block of each stage, and the resolution.

    With `per_block`, kernel, expansion and kind are chosen for every block; with `candidates` too by one choice, so
    that a mixture weighs all of them, as FBNet (Wu et al., 2019) and ProxylessNAS (Cai et al., 2019) search. The first
    block of every stage but the first halves the size, never below 2 × 2.

    Args:
        signature: the shape of the task; pictures only.
        per_block: whether each block is decided by itself.
        candidates: whether the choice of a block says its kernel and expansion as well; with `per_block`, any but a
            stage's first may be a skip.
        depths: blocks a stage to choose among.
        widths: channels to choose among, one list a stage.
        kernels, expansions, blocks: what a block may be; only inverted bottlenecks have an expansion.
        resolutions: shares of the picture's size to choose among.

    Raises:
        SpaceError: the task is not of pictures, a kind of block is unknown, or a number cannot be meant.
    """

    def __init__(
        self,
        signature: Signature,
        per_block: bool = False,
        depths: Sequence[int] = (1, 2, 3),
        widths: Sequence[Sequence[int]] = WIDTHS,
        kernels: Sequence[int] = (3, 5),
        expansions: Sequence[int] = (1, 2, 3, 4),
        blocks: Sequence[str] = BLOCKS,
        resolutions: Sequence[float] = (0.5, 0.75, 1.0),
        candidates: bool = False,
    ) -> None:
        check_pictures("stages", signature)
        if unknown := set(blocks) - set(BLOCKS):
            raise SpaceError(f"stages: there is no block {', '.join(sorted(unknown))}; there is {', '.join(BLOCKS)}")
        if not widths:
            raise SpaceError("stages: widths needs one list a stage, got none")
        for each in widths:
            check_counts("stages", widths=each)
        check_counts("stages", depths=depths, kernels=kernels, expansions=expansions)
        if even := [kernel for kernel in kernels if kernel % 2 == 0]:
            raise SpaceError(f"stages: kernels must be odd, so that a block keeps its size, got {even[0]}")
        check_shares("stages", "resolutions", resolutions, zero=False)
        self.signature, self.per_block, self.candidates = signature, per_block, candidates
        self.depths, self.widths = tuple(depths), tuple(tuple(each) for each in widths)
        self.kernels, self.expansions, self.blocks = tuple(kernels), tuple(expansions), tuple(blocks)
        self.resolutions = tuple(float(each) for each in resolutions)
        self._words = _words(self.blocks, self.kernels, self.expansions)
        choices: list[Choice] = [Categorical("resolution", self.resolutions)]
        for stage, options in enumerate(self.widths):
            choices += [Categorical(f"depth_{stage}", self.depths), Categorical(f"width_{stage}", options)]
            for block in range(max(self.depths) if per_block else 1):
                choices += self._block_choices(stage, block)
        super().__init__("stages", choices)

    def build(self, decide: Decide) -> nn.Module:
        """(B, C, H, W) → (B, outputs)."""
        _, height, width = self.signature.shape
        channels = decide.number("width_0")
        network = nn.Sequential()
        resize = Resize(decide.number("resolution"), height, width)
        network.add_module("resize", resize)
        size = -(-min(resize.size) // stem_stride(self.signature))
        begin = nn.Sequential(stem(self.signature, channels), nn.ReLU())
        network.add_module("stem", decide.narrowed("width_0", begin))
        for stage in range(len(self.widths)):
            wide = decide.number(f"width_{stage}")
            layers = nn.Sequential()
            for block in range(decide.number(f"depth_{stage}")):
                stride = 2 if block == 0 and stage > 0 and halves(size) else 1
                size = -(-size // stride)
                made = self._block(decide, self._tag(stage, block), channels, wide, stride)
                layers.append(decide.narrowed(f"width_{stage}", made))
                channels = wide
            network.add_module(f"stage_{stage}", layers)
        network.add_module("head", Head(channels, self.signature.outputs))
        return network

    def representative(self, decisions: Mapping[str, Option]) -> Any:
        """Where blocks may be skips, what is left of every stage without these."""
        if not self.candidates:
            return super().representative(decisions)
        stages = []
        for stage in range(len(self.widths)):
            tags = [self._tag(stage, place) for place in range(decisions[f"depth_{stage}"])]
            blocks = [decisions[f"block_{tag}"] for tag in tags]
            stages.append([decisions[f"width_{stage}"], [block for block in blocks if block != SKIP]])
        return [decisions["resolution"], stages]

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        """A small residual network (He et al., 2016) and one of inverted bottlenecks (Sandler et al., 2018)."""
        points: list[dict[str, Option]] = [
            {"block": "residual", "kernel": 3},
            {"block": "inverted", "kernel": 3, "expansion": 3},
        ]
        if self.candidates:
            points = [{"block": word} for word in ("residual_k3", "inverted_k3_e3") if word in self._words]
        depth = 2 if 2 in self.depths else self.depths[-1]
        return [
            {
                "resolution": 1.0,
                **{f"depth_{stage}": depth for stage in range(len(self.widths))},
                **{f"width_{stage}": widths[len(widths) // 2] for stage, widths in enumerate(self.widths)},
                **{
                    f"{name}_{self._tag(stage, block)}": value
                    for stage in range(len(self.widths))
                    for block in range(depth if self.per_block else 1)
                    for name, value in decided.items()
                },
            }
            for decided in points
        ]

    def cost(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        """What `azora.networks.complexity.cost` counts, added up from what is counted once for every block."""
        parts = [part.cost for part in self._parts(decisions)]
        most = max(part["memory"] for part in parts)
        return with_weights(
            {name: most if name == "memory" else sum(part[name] for part in parts) for name in parts[0]}
        )

    def kinds(self, decisions: Mapping[str, Option]) -> Mapping[str, int]:
        return dict(sum((Counter(part.kinds) for part in self._parts(decisions)), Counter[str]()))

    def _parts(self, decisions: Mapping[str, Option]) -> list[_Part]:
        """What is counted of the beginning, each block and the end."""
        shape = (decisions["width_0"], *self._map(decisions["resolution"]))
        parts = [_begin(self.signature, decisions["resolution"], shape[0])]
        for stage in range(len(self.widths)):
            for place in range(decisions[f"depth_{stage}"]):
                block, wide = self._decided(decisions, self._tag(stage, place)), decisions[f"width_{stage}"]
                stride = 2 if place == 0 and stage > 0 and halves(min(shape[1:])) else 1
                parts.append(_counted_block(shape, block, wide, stride))
                shape = (wide, *(-(-side // stride) for side in shape[1:]))
        return [*parts, _end(shape, self.signature.outputs)]

    def _map(self, resolution: float) -> tuple[int, int]:
        """Height and width of what comes out of the stem."""
        size, stride = Resize(resolution, *self.signature.shape[1:]).size, stem_stride(self.signature)
        return -(-size[0] // stride), -(-size[1] // stride)

    def graph(self, architecture: Architecture) -> Graph:
        nodes = [Node("input", f"input × {architecture['resolution']:g}", "input")]
        for stage in range(len(self.widths)):
            for block in range(architecture[f"depth_{stage}"]):
                kind, kernel, expansion = self._decided(architecture, self._tag(stage, block))
                label = kind if kind == SKIP else f"{kind} {kernel}×{kernel}"
                label += f" e{expansion}" if _expands(kind) else ""
                nodes.append(
                    Node(f"{stage}.{block}", f"{label}, {architecture[f'width_{stage}']} channels", "operation")
                )
        nodes.append(Node("output", "output", "output"))
        edges = tuple(Edge(left.name, right.name) for left, right in zip(nodes, nodes[1:], strict=False))
        return Graph("stages", tuple(nodes), edges)

    def _decided(self, decisions: Mapping[str, Any], tag: str) -> Made:
        """Kind, kernel and expansion of a block."""
        word = decisions[f"block_{tag}"]
        if self.candidates:
            return self._words[word]
        return word, decisions[f"kernel_{tag}"], decisions.get(f"expansion_{tag}", 1)

    def _tag(self, stage: int, block: int) -> str:
        return f"{stage}_{block}" if self.per_block else str(stage)

    def _block_choices(self, stage: int, block: int) -> list[Choice]:
        tag = self._tag(stage, block)
        deep = tuple(depth for depth in self.depths if depth > block)
        when = () if deep == self.depths else (When(f"depth_{stage}", deep),)
        if self.candidates:
            return [Categorical(f"block_{tag}", (*self._words,) if block > 0 else (*self._words,)[:-1], when)]
        choices: list[Choice] = [
            Categorical(f"kernel_{tag}", self.kernels, when),
            Categorical(f"block_{tag}", self.blocks, when),
        ]
        if inverted := tuple(filter(_expands, self.blocks)):
            expands = (*when, When(f"block_{tag}", inverted))
            choices.append(Categorical(f"expansion_{tag}", self.expansions, expands))
        return choices

    def _block(self, decide: Decide, tag: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
        if self.candidates:
            return decide.module(
                f"block_{tag}", lambda word: _make_block(self._words[word], channels_in, channels_out, stride)
            )
        kernel = decide.number(f"kernel_{tag}")

        def make(name: str) -> nn.Module:
            expansion = decide.number(f"expansion_{tag}") if _expands(name) else 1
            return _make_block((name, kernel, expansion), channels_in, channels_out, stride)

        return decide.module(f"block_{tag}", make)


Made = tuple[str, int, int]  # a block's kind, kernel and expansion


def _words(blocks: Sequence[str], kernels: Sequence[int], expansions: Sequence[int]) -> dict[str, Made]:
    """What a choice that decides all of a block has, by name; the skip comes last."""
    found = {}
    for kind in blocks:
        for kernel in kernels:
            for expansion in expansions if _expands(kind) else (1,):
                word = f"{kind}_k{kernel}" + (f"_e{expansion}" if _expands(kind) else "")
                found[word] = kind, kernel, expansion
    return found | {SKIP: (SKIP, 1, 1)}


def _expands(kind: str) -> bool:
    return kind.startswith("inverted")


def _make_block(made: Made, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    kind, kernel, expansion = made
    if kind == SKIP:
        return nn.Identity()
    if kind == "residual":
        return Residual(channels_in, channels_out, stride, kernel)
    if kind == "separable":
        return Separable(channels_in, channels_out, stride, kernel)
    excite = kind == "inverted_se"
    return InvertedBottleneck(channels_in, channels_out, stride, kernel, expansion, excite=excite)


Shape = tuple[int, int, int]


@final
@dataclass(frozen=True)
class _Part:
    cost: Mapping[str, int]
    kinds: Mapping[str, int]


@cache
def _counted_block(shape: Shape, made: Made, out: int, stride: int) -> _Part:
    """A block for an input of `shape`."""
    with ShapesOnly():
        block = _make_block(made, shape[0], out, stride)
    return _counted(block, shape)


@cache
def _begin(signature: Signature, resolution: float, channels: int) -> _Part:
    with ShapesOnly():
        resize = Resize(resolution, *signature.shape[1:])
        return _counted(nn.Sequential(resize, stem(signature, channels), nn.ReLU()), signature.shape)


@cache
def _end(shape: Shape, outputs: int) -> _Part:
    with ShapesOnly():
        return _counted(Head(shape[0], outputs), shape)


def _counted(module: nn.Module, shape: Shape | tuple[int, ...]) -> _Part:
    return _Part({"params": parameters(module)} | measure(module, shape), by_kind(module, shape))
