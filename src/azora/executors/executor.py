"""What an executor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future

from azora.trial import Proposal, Report


class Executor(ABC):
    """Judges proposals somewhere, several at a time.

    A judgement that fails, for whatever reason, is a report with an error. A future raises ConfigError only where
    nothing can be judged at all: every trial would fail for one reason that is not its own.
    """

    workers: int

    @abstractmethod
    def submit(self, proposal: Proposal) -> Future[Report]:
        """Begin to judge, as soon as a worker is free."""

    @abstractmethod
    def shutdown(self) -> None:
        """Stop at once. Futures that are not done are cancelled; nothing is left running."""
