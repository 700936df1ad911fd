"""Contract test classes: subclass one, give it your plug-in as a fixture, and know that it fits."""

from azora.testing.strategy_contract import StrategyContract, tiny_space

__all__ = ["StrategyContract", "tiny_space"]
