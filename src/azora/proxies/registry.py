"""Proxies by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from azora.errors import ConfigError
from azora.networks.complexity import macs, parameters
from azora.proxies.activations import jacob_cov, naswot, swap, zen
from azora.proxies.blocks import expressivity, progressivity, trainability
from azora.proxies.gradients import fisher, grad_norm, grasp, snip, synflow, zico
from azora.proxies.probe import Probe, fresh
from azora.settings import closest
from azora.space import Architecture, Space


@dataclass(frozen=True)
class Proxy:
    """A score of a network that was not trained; `free` ones need no pass through it."""

    score: Callable[[nn.Module, Probe], float]
    source: str
    labels: bool = False
    free: bool = False


PROXIES: dict[str, Proxy] = {
    # A network is built without what leads nowhere, so this counts what lies on ways from input to output.
    "params": Proxy(lambda network, probe: float(parameters(network)), "parameters on live ways", free=True),
    "macs": Proxy(
        lambda network, probe: float(macs(network, tuple(probe.x.shape[1:]))), "multiply-accumulates", free=True
    ),
    "grad_norm": Proxy(grad_norm, "Abdelfattah et al. 2021", labels=True),
    "snip": Proxy(snip, "Lee et al. 2019", labels=True),
    "grasp": Proxy(grasp, "Wang et al. 2020", labels=True),
    "fisher": Proxy(fisher, "Turner et al. 2020", labels=True),
    "synflow": Proxy(synflow, "Tanaka et al. 2020"),
    "jacob_cov": Proxy(jacob_cov, "Mellor et al. 2021, first version"),
    "naswot": Proxy(naswot, "Mellor et al. 2021"),
    "zico": Proxy(zico, "Li et al. 2023", labels=True),
    "zen": Proxy(zen, "Lin et al. 2021"),
    "swap": Proxy(swap, "Peng et al. 2024"),
    "expressivity": Proxy(expressivity, "Lee & Ham 2024"),
    "progressivity": Proxy(progressivity, "Lee & Ham 2024"),
    "trainability": Proxy(trainability, "Lee & Ham 2024"),
}


def find_proxies(names: Sequence[str]) -> dict[str, Proxy]:
    """The proxies of these names.

    Raises:
        ConfigError: an unknown name (the nearest is suggested), or none at all.
    """
    if not names:
        raise ConfigError(f"no proxy was named; {closest('', PROXIES)}")
    for name in names:
        if name not in PROXIES:
            raise ConfigError(f"there is no proxy {name!r}; {closest(name, PROXIES)}")
    return {name: PROXIES[name] for name in names}


def score(
    space: Space, architecture: Architecture, probe: Probe, names: Sequence[str], seed: int = 0
) -> dict[str, float]:
    """Each proxy's score of the architecture's fresh network: minus infinity where it is no number.

    Raises:
        ConfigError: an unknown name.
    """
    found = {}
    for name, proxy in find_proxies(names).items():
        value = proxy.score(fresh(space, architecture, seed), probe)
        found[name] = value if math.isfinite(value) else -math.inf
    return found
