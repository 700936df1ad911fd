"""A search that is stopped, and goes on where it was: nothing that was judged is judged again."""

from pathlib import Path

import azora
from azora.study import SqlJournal

words = {"seed": 3, "limits": ["macs=300k"], "workers": 1, "out": "runs/resumed"}


def told() -> list[int]:
    """The numbers of the trials in the journal, which is one table of JSON events."""
    journal = SqlJournal(Path("runs/resumed/study.db"))
    numbers = [event["number"] for event in journal.read() if event["kind"] == "told"]
    journal.close()
    return numbers


first = azora.search("digits", trials=4, **words)
print("after four trials:", told(), f"best {first.validation_accuracy:.3f}")
# A finished search goes on too, when it is given more; one that was killed goes on in the same way.
second = azora.search("digits", trials=9, resume=True, **words)
print("after nine:", told(), f"best {second.validation_accuracy:.3f}")
