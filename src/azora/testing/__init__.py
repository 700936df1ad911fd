"""Contract test classes: subclass one, give it your plug-in as a fixture, and know that it fits."""

from azora.testing.benchmark_contract import BenchmarkContract
from azora.testing.evaluator_contract import EvaluatorContract
from azora.testing.executor_contract import ExecutorContract
from azora.testing.journal_contract import JournalContract
from azora.testing.method_contract import Desk, MethodContract
from azora.testing.network_contract import NetworkSpaceContract
from azora.testing.shared_contract import SharedWeightsContract
from azora.testing.strategy_contract import StrategyContract, tiny_space
from azora.testing.target_contract import TargetContract

__all__ = [
    "BenchmarkContract",
    "Desk",
    "EvaluatorContract",
    "ExecutorContract",
    "JournalContract",
    "MethodContract",
    "NetworkSpaceContract",
    "SharedWeightsContract",
    "StrategyContract",
    "TargetContract",
    "tiny_space",
]
