"""Zero-cost proxies: scores of networks that were not trained. They shortlist; a training decides."""

from azora.proxies.probe import Probe, fresh
from azora.proxies.ranking import log_rank
from azora.proxies.registry import PROXIES, Proxy, find_proxies, score

__all__ = ["PROXIES", "Probe", "Proxy", "find_proxies", "fresh", "log_rank", "score"]
