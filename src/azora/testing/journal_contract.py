"""What every journal holds to."""

from __future__ import annotations

from collections.abc import Callable

from azora.study import Journal


class JournalContract:
    """Subclass, and return from the `open_journal` fixture a function that opens the same journal each time."""

    def test_gives_back_what_it_was_given_in_order(self, open_journal: Callable[[], Journal]) -> None:
        journal = open_journal()
        events = [{"kind": "asked", "number": number, "text": "ä\n'\""} for number in range(5)]
        for event in events:
            journal.append(event)
        assert list(journal.read()) == events
        assert list(journal.read(since=3)) == events[3:]
        journal.close()

    def test_what_may_wait_comes_with_the_next_that_may_not(self, open_journal: Callable[[], Journal]) -> None:
        journal = open_journal()
        journal.append({"number": 0}, durable=False)
        journal.append({"number": 1}, durable=False)
        journal.append({"number": 2})
        again = open_journal()
        assert [event["number"] for event in again.read()] == [0, 1, 2]
        journal.close()
        again.close()

    def test_is_there_when_opened_again(self, open_journal: Callable[[], Journal]) -> None:
        journal = open_journal()
        journal.append({"kind": "asked"})
        again = open_journal()
        assert list(again.read()) == [{"kind": "asked"}]
        again.append({"kind": "told"})
        assert [event["kind"] for event in journal.read()] == ["asked", "told"]
        journal.close()
        again.close()
