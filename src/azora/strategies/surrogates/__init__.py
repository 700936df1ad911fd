"""Surrogates: regressors that say how good an architecture will be, and how sure they are."""

from azora.strategies.surrogates.boosting import BoostedTrees
from azora.strategies.surrogates.description import Description
from azora.strategies.surrogates.ensemble import NetworkEnsemble
from azora.strategies.surrogates.gaussian_process import GaussianProcess
from azora.strategies.surrogates.surrogate import Array, Independent, Posterior, Surrogate, normal_ranks

__all__ = [
    "Array",
    "BoostedTrees",
    "Description",
    "GaussianProcess",
    "Independent",
    "NetworkEnsemble",
    "Posterior",
    "Surrogate",
    "normal_ranks",
]
