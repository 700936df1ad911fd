"""Zero-cost proxies: scores of networks that were not trained. They shortlist; a training decides.

None orders networks better than the count of parameters on live ways, which is free. The τ that docstrings give is
Kendall's, with the CIFAR-10 test accuracy of 250 random cells of NAS-Bench-201 (real pictures, 8 channels, one cell a
stage; `benchmarks/quality/zero_cost.py`, `benchmarks/results/zero_cost`). Among the best fifth of cells all are below
0.25, the count too. `grad_norm`, `snip`, `fisher` and `grasp` order cells better in the deep skeleton of the benchmark
(published τ of 0.45 to 0.54, and still below the count).
"""

from azora.proxies.probe import Probe, fresh
from azora.proxies.ranking import log_rank
from azora.proxies.registry import PROXIES, Proxy, find_proxies, score

__all__ = ["PROXIES", "Probe", "Proxy", "find_proxies", "fresh", "log_rank", "score"]
