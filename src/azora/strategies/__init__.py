"""Strategies: they choose what to judge next, and never own the loop, the workers or the store."""

from azora.strategies.acquisition import Acquisition, ExpectedImprovement, ThompsonSampling, UpperConfidenceBound
from azora.strategies.bandit import Bandit
from azora.strategies.bayesian import Bayesian
from azora.strategies.candidates import Candidates, Evolved, Near
from azora.strategies.composed import Composed
from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.filtered import Filtered
from azora.strategies.genetic import Genetic
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.level import Level
from azora.strategies.local import LocalSearch
from azora.strategies.random_search import RandomSearch
from azora.strategies.reinforce import Reinforce
from azora.strategies.shortlist import Shortlist
from azora.strategies.smash import Smash
from azora.strategies.strategy import Affordable, Event, Strategy
from azora.strategies.warm_start import WarmStart

__all__ = [
    "Acquisition",
    "Affordable",
    "Bandit",
    "Bayesian",
    "Candidates",
    "Composed",
    "Event",
    "Evolved",
    "ExpectedImprovement",
    "Filtered",
    "Genetic",
    "Level",
    "LocalSearch",
    "Near",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "Shortlist",
    "Smash",
    "Strategy",
    "SuccessiveHalving",
    "ThompsonSampling",
    "UpperConfidenceBound",
    "WarmStart",
]
