"""Strategies scored on tables that hold a judgement of every point of a space. Imports no torch of itself."""

from azora.bench.comparison import Comparison, compare
from azora.bench.play import Run, play
from azora.bench.protocol import Protocol
from azora.bench.reading import read_table
from azora.bench.registry import BENCHMARKS, find_table
from azora.bench.setup import Setup
from azora.bench.table import Fidelity, Table

__all__ = [
    "BENCHMARKS",
    "Comparison",
    "Fidelity",
    "Protocol",
    "Run",
    "Setup",
    "Table",
    "compare",
    "find_table",
    "play",
    "read_table",
]
