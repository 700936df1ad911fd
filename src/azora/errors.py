"""What azora says when the user can mend it: one line that tells what was asked, what was found and what to do."""

from __future__ import annotations


class AzoraError(Exception):
    """A mistake the user can mend. The command line prints it as one line and exits with 2."""


class SpaceError(AzoraError):
    """A decision, choice or constraint that a search space cannot hold."""


class TaskError(AzoraError):
    """Data that cannot be learned from as given."""


class BudgetError(AzoraError):
    """A budget that cannot be read, or is too short for what was asked."""


class StudyError(AzoraError):
    """A study that is in use, is another one, or was written by a newer azora."""


class ConfigError(AzoraError):
    """A name or setting that nothing answers to."""


class BundleError(AzoraError):
    """A model folder that is incomplete, damaged or not one of ours."""


class BenchmarkError(AzoraError):
    """A benchmark table that is not what it should be, or a comparison that it cannot give."""


class TargetError(AzoraError):
    """A device or runtime that is missing, cannot run a network, or does not measure."""


class UnsteadyError(TargetError):
    """A device whose measurements of one network differ too much to be believed."""


class KnowledgeError(AzoraError):
    """A memory of searches that cannot be read or written, or what is asked of it and not in it."""


def in_a_line(error: Exception) -> str:
    """The kind of an error, of whatever library, and the first line of what it says."""
    kind, lines = type(error).__name__, str(error).strip().splitlines()
    return f"{kind}: {lines[0]}" if lines else kind
