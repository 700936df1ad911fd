"""What searches teach other searches."""

from azora.meta.features import describe_task, likeness
from azora.meta.knowledge import Knowledge
from azora.meta.recalling import recall
from azora.meta.record import Judgement, Record, read_records, write_records

__all__ = [
    "Judgement",
    "Knowledge",
    "Record",
    "describe_task",
    "likeness",
    "read_records",
    "recall",
    "write_records",
]
