"""Studies: append-only journals of events, and what is read from them. Imports no torch."""

from azora.study.folder import StudyFolder
from azora.study.journal import Journal, MemoryJournal, SqlJournal
from azora.study.study import Study

__all__ = ["Journal", "MemoryJournal", "SqlJournal", "Study", "StudyFolder"]
