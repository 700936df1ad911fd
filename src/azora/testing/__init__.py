"""Contract test classes: subclass one, give it your plug-in as a fixture, and know that it fits."""

from azora.testing.executor_contract import ExecutorContract
from azora.testing.journal_contract import JournalContract
from azora.testing.strategy_contract import StrategyContract, tiny_space

__all__ = ["ExecutorContract", "JournalContract", "StrategyContract", "tiny_space"]
