"""Strategies: they choose what to judge next, and never own the loop, the workers or the store."""

from azora.strategies.evolution import RegularizedEvolution
from azora.strategies.genetic import Genetic
from azora.strategies.halving import SuccessiveHalving
from azora.strategies.level import Level
from azora.strategies.local import LocalSearch
from azora.strategies.random_search import RandomSearch
from azora.strategies.reinforce import Reinforce
from azora.strategies.strategy import Affordable, Event, Strategy

__all__ = [
    "Affordable",
    "Event",
    "Genetic",
    "Level",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "Strategy",
    "SuccessiveHalving",
]
