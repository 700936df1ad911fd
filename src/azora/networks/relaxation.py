"""How the options of a choice are weighed while none of them is taken yet.

Logits are a few dozen numbers and stay on the processor, wherever the network runs; so draws are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from azora.errors import ConfigError
from azora.settings import closest

PATIENCE = 20  # draws until one is finite
LEAST = 1e-6  # concentration


@final
@dataclass(frozen=True)
class Relaxation:
    """What differentiable methods differ in, as far as one pass goes.

    Args:
        kind: how logits become weights, one of `KINDS`: "softmax" (DARTS, Liu et al., 2019), "annealed" (softmax at a
            temperature that falls: MetaNAS, Elsken et al., 2020), "sigmoid" (FairDARTS, Chu et al., 2020), "gumbel"
            (one path, straight through: GDAS, Dong & Yang, 2019), "gumbel-soft" (all paths: FBNet, Wu et al., 2019),
            "binary" (one path of two that are drawn: ProxylessNAS, Cai et al., 2019), "dirichlet" (DrNAS, Chen et al.,
            2021).
        temperature: of "annealed" and the gumbel kinds, at the start and at the end.
        cooling: "linear" (GDAS) or "exponential" (FBNet), between these.
        rest: of "gumbel", whether the weights of what was not drawn are added as numbers, as the authors' first code
            does: every logit then has the gradient of its own weight's upstream, whatever its option would have said.
        channels: of 1 / `channels` of the channels, but of four at least, options are applied; the others go by (PC-
            DARTS, Xu et al., 2020).
        edges: whether the inputs of a node are weighed against each other too (PC-DARTS' edge normalisation).
        skip: weight at the start of a skip that a choice has beside its options, where one of these is a skip; in a
            training of the published length it falls to 0 on a line (DARTS-, Chu et al., 2021), in a shorter one as
            much less far: where it fades faster than weights can learn to do without, the skip among the options takes
            its place.
        drop: dropout of skips at the start, so that they do not win by being trained first; it falls to 0 on a line (P-
            DARTS, Chen et al., 2019).
        noise: half-width, at the start and at the end, of the uniform noise that is added to the weights while the
            network's parameters learn (SDARTS-RS, Chen & Hsieh, 2020).
        spread: standard deviation of the logits at the start.
        least: options that weigh less are not run (MetaNAS: 0.01).

    Raises:
        ConfigError: a kind that there is not, or a number out of its range.
    """

    kind: str = "softmax"
    temperature: tuple[float, float] = (10.0, 0.1)
    cooling: str = "linear"
    rest: bool = False
    channels: int = 1
    edges: bool = False
    skip: float = 0.0
    drop: float = 0.0
    noise: tuple[float, float] = (0.0, 0.0)
    spread: float = 1e-3
    least: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"there is no relaxation {self.kind!r}; {closest(self.kind, KINDS)}")
        for name, pair in (("temperature", self.temperature), ("noise", self.noise)):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ConfigError(f"{name}={pair!r} must be two numbers: at the start, and at the end")
        if not isinstance(self.channels, int):
            raise ConfigError(f"channels={self.channels!r} must be a whole number")
        if min(self.temperature) <= 0 or self.cooling not in ("linear", "exponential"):
            raise ConfigError(
                f"temperature={self.temperature} must be above 0 and cooling={self.cooling!r} 'linear' or 'exponential'"
            )
        if self.channels < 1 or min(*self.noise, self.skip, self.spread, self.least) < 0 or not 0 <= self.drop < 1:
            raise ConfigError(
                f"channels={self.channels} must be at least 1, noise={self.noise}, skip={self.skip},"
                f" spread={self.spread} and least={self.least} at least 0, drop={self.drop} from 0 to below 1"
            )

    @property
    def draws(self) -> bool:
        """Whether a pass runs single paths, and what the options are worth together is only seen over many."""
        return self.kind in ("gumbel", "binary")

    def heat(self, progress: float) -> float:
        """The temperature after `progress` (0 to 1) of the search."""
        first, last = self.temperature
        if self.cooling == "linear":
            return first + (last - first) * progress
        return float(first * (last / first) ** progress)

    def beside(self, progress: float, length: float) -> float:
        """The weight of the skip beside all options after `progress` of a search of so much of the published length."""
        return self.skip * (1.0 - progress * length)

    def gate(self, logits: Tensor, moment: Moment, held: Gate | None = None) -> Gate:
        """What a choice's options are weighed by in the next passes.

        Args:
            held: the gate of the same moment at logits nearby, whose paths are to run again. Weights are a smooth
                function of the logits then; a draw is none, for which other paths are taken at some step of these.
        """
        beside, drop = self.beside(moment.progress, moment.length), self.drop * (1.0 - moment.progress)
        if held is not None and self.kind in HELD:
            made = HELD[self.kind](self, logits, moment, held)
        else:
            made = KINDS[self.kind](self, logits, moment)
        gate = replace(made, skip=beside, drop=drop)
        if not moment.learns and (half := _between(self.noise, moment.progress)) > 0:
            drawn = torch.empty_like(gate.weights).uniform_(-half, half, generator=moment.generator)
            gate = replace(gate, weights=gate.weights + drawn)
        if self.least > 0:
            heavy = [weight >= self.least for weight in gate.weights.tolist()]
            gate = replace(gate, runs=tuple(place for place in gate.runs if heavy[place]))
        return gate

    def expected(self, logits: Tensor, gate: Gate) -> Tensor:
        """What the options of a gate weigh where a sum over them is meant, and not the draw (K,).

        Of "binary" the chances of all options (Cai et al., 2019); their gradient reaches the two that run, for those of
        the others stay as they are in a step.
        """
        if self.kind != "binary":
            return gate.weights
        chances, pair = torch.softmax(logits, 0).detach(), torch.tensor(gate.runs)
        return chances.index_put((pair,), chances[pair].sum() * torch.softmax(logits[pair], 0))

    def means(self, logits: Tensor) -> Tensor:
        """What the options weigh without any draw: what a derivation goes by."""
        if self.kind == "sigmoid":
            return torch.sigmoid(logits)
        if self.kind == "dirichlet":
            each = concentration(logits)
            return each / each.sum()
        return torch.softmax(logits, 0)


@final
@dataclass(frozen=True)
class Moment:
    """When a draw is made.

    Args:
        progress: of the search, from 0 to 1.
        learns: whether the logits learn from the next pass (else the network's parameters do).
        generator: of all random numbers.
        length: of the search, as a share of the steps of a published one, 1 at most.
    """

    progress: float
    learns: bool
    generator: torch.Generator
    length: float = 1.0


@final
@dataclass(frozen=True)
class Gate:
    """What the modules of one choice do until the next draw.

    Args:
        weights: (K,), of the options.
        runs: the numbers of the options that are run.
        rest: whether the weights of the others are added as numbers.
        edge: what the sum is multiplied by (None: 1).
        skip: weight of the auxiliary skip, for a choice that has a skip.
        drop: dropout of the options that are skips.
        whole: whether the one option that runs weighs a constant 1, so that nothing need be multiplied.
    """

    weights: Tensor
    runs: tuple[int, ...]
    rest: bool = False
    edge: Tensor | None = None
    skip: float = 0.0
    drop: float = 0.0
    whole: bool = False


def _between(ends: tuple[float, float], progress: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * progress


def _all(weights: Tensor) -> Gate:
    return Gate(weights, tuple(range(len(weights))))


def _softmax(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    return _all(torch.softmax(logits, 0))


def _annealed(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    return _all(torch.softmax(logits / relaxation.heat(moment.progress), 0))


def _sigmoid(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    return _all(torch.sigmoid(logits))


def concentration(logits: Tensor) -> Tensor:
    """Of the Dirichlet distribution: elu(logits) + 1, which rounding must not make 0."""
    return (torch.nn.functional.elu(logits) + 1.0).clamp_min(LEAST)


def _dirichlet(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    """A draw with its gradient (Figurnov et al., 2018, as torch has it), from the moment's generator."""
    seed = int(torch.randint(2**62, (), generator=moment.generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = torch.distributions.Dirichlet(concentration(logits)).rsample()
    return _all(drawn)


def _perturbed(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Tensor:
    """Softmax of the logits with Gumbel's noise, at the moment's temperature."""
    heat = relaxation.heat(moment.progress)
    for _ in range(PATIENCE):
        noise = torch.empty_like(logits).exponential_(generator=moment.generator)
        soft = torch.softmax((torch.log_softmax(logits, 0) - noise.log()) / heat, 0)
        if bool(torch.isfinite(soft).all()):
            return soft
    return torch.softmax(logits, 0)  # logits that are no numbers are the training's to see


def _gumbel(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    soft = _perturbed(relaxation, logits, moment)
    return _straight(relaxation, soft, int(soft.argmax()))


def _gumbel_held(relaxation: Relaxation, logits: Tensor, moment: Moment, held: Gate) -> Gate:
    return _straight(relaxation, _perturbed(relaxation, logits, moment), held.runs[0])


def _straight(relaxation: Relaxation, soft: Tensor, taken: int) -> Gate:
    hard = torch.zeros_like(soft)
    hard[taken] = 1.0
    return Gate(hard + (soft - soft.detach()), (taken,), relaxation.rest)


def _gumbel_soft(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    return _all(_perturbed(relaxation, logits, moment))


def _binary(relaxation: Relaxation, logits: Tensor, moment: Moment) -> Gate:
    """One path; while the logits learn, a second one is run beside it with a weight of 0, so that the gradient of its
    gate is known: of gates g and the two's probabilities p, dL/dlogit_i is the sum over j of dL/dg_j p_j (d_ij - p_i).
    """
    chances = torch.softmax(logits, 0)
    two = min(2, len(chances)) if moment.learns else 1
    pair = torch.multinomial(chances.detach(), two, generator=moment.generator).tolist()
    if not moment.learns:
        hard = torch.zeros_like(chances)
        hard[pair] = 1.0
        return Gate(hard, tuple(pair))
    within = torch.softmax(logits[pair].detach(), 0)
    return _one_of_two(logits, pair, int(torch.multinomial(within, 1, generator=moment.generator)))


def _binary_held(relaxation: Relaxation, logits: Tensor, moment: Moment, held: Gate) -> Gate:
    pair = list(held.runs)
    return _one_of_two(logits, pair, int(held.weights[pair].argmax()))


def _one_of_two(logits: Tensor, pair: list[int], active: int) -> Gate:
    within = torch.softmax(logits[pair], 0)
    hard = torch.zeros_like(within)
    hard[active] = 1.0
    weights = torch.zeros_like(logits).index_put((torch.tensor(pair),), hard + (within - within.detach()))
    return Gate(weights, tuple(pair))


KINDS: Mapping[str, Callable[[Relaxation, Tensor, Moment], Gate]] = {
    "softmax": _softmax,
    "annealed": _annealed,
    "sigmoid": _sigmoid,
    "gumbel": _gumbel,
    "gumbel-soft": _gumbel_soft,
    "binary": _binary,
    "dirichlet": _dirichlet,
}

# Of the kinds that draw paths, the same draw at other logits; of a distribution's draw, whose way through its generator
# is not smooth, the mean.
HELD: Mapping[str, Callable[[Relaxation, Tensor, Moment, Gate], Gate]] = {
    "gumbel": _gumbel_held,
    "binary": _binary_held,
    "dirichlet": lambda relaxation, logits, moment, held: _all(relaxation.means(logits)),
}
