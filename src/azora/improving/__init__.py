"""A deployed model, looked at and made better, or left as it is."""

from azora.improving.analysis import Analysis, analyse
from azora.improving.cycle import Outcome, improve
from azora.improving.paired import level_of, paired_test
from azora.improving.versions import Versions

__all__ = ["Analysis", "Outcome", "Versions", "analyse", "improve", "level_of", "paired_test"]
