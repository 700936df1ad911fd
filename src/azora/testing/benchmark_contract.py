"""What every benchmark table holds to."""

from __future__ import annotations

import random

import numpy as np

from azora.bench import Protocol, Table, play
from azora.bench.curves import Curve
from azora.errors import BenchmarkError
from azora.strategies import RandomSearch, RegularizedEvolution

SAMPLES = 200
QUERIES = 20


class BenchmarkContract:
    """Subclass, and return yours from the `table` fixture."""

    def test_answers_with_the_row_that_was_asked(self, table: Table) -> None:
        for row in _some(table):
            assert table.row(table.architecture(row)) == row

    def test_holds_whatever_a_search_may_ask_for(self, table: Table) -> None:
        rng = random.Random(0)
        architecture = table.space.sample(rng)
        for _ in range(SAMPLES):
            assert table.row(architecture) is not None
            assert table.row(table.space.sample(rng)) is not None
            architecture = table.space.mutate(architecture, rng)

    def test_has_no_more_networks_than_rows(self, table: Table) -> None:
        assert 2 <= table.networks <= len(table)

    def test_lengths_of_training_rise(self, table: Table) -> None:
        epochs = [level.epochs for level in table.fidelities]
        stated = [each for each in epochs if each is not None]
        assert epochs == [None] or stated == sorted(set(stated)) == epochs

    def test_longer_trainings_take_longer(self, table: Table) -> None:
        known = [level.seconds for level in table.fidelities if level.seconds is not None]
        assert all((seconds > 0).all() for seconds in known)
        assert all((short < long).all() for short, long in zip(known, known[1:], strict=False))

    def test_a_search_sees_validation_and_nothing_else(self, table: Table) -> None:
        protocol = Protocol(table, queries=QUERIES)
        for row in _some(table):
            metrics = protocol.report(row, 0, 0.0).metrics
            seen = protocol.levels[0].validation[row] / table.unit
            assert list(metrics) == [protocol.objective.metric]
            assert np.nanmin(seen) - 1e-9 <= metrics[protocol.objective.metric] <= np.nanmax(seen) + 1e-9

    def test_scores_with_what_the_search_did_not_see(self, table: Table) -> None:
        protocol = Protocol(table, queries=QUERIES)
        assert not np.array_equal(protocol.scores, protocol.seen[-1])
        assert np.corrcoef(protocol.scores, protocol.seen[-1])[0, 1] > 0  # or validation would choose the worst

    def test_a_search_ends_at_its_budget_and_chooses_by_validation(self, table: Table) -> None:
        protocol = Protocol(table, queries=min(QUERIES, table.networks // 2))
        for kind in (RandomSearch, RegularizedEvolution):
            run = play(kind(table.space, 0, protocol.objective), protocol)
            assert len(run.rows) == protocol.queries
            assert len({table.architecture(row).key for row in run.rows}) == protocol.queries
            best = max(run.rows, key=lambda row: protocol.sign * protocol.seen[0][row])
            assert Curve.of(run, protocol).score[-1] == protocol.scores[best]

    def test_refuses_more_queries_than_there_are_networks(self, table: Table) -> None:
        Protocol(table, queries=table.networks).check_queries()
        try:
            Protocol(table, queries=table.networks + 1).check_queries()
        except BenchmarkError as error:
            assert f"{table.networks:,} distinct networks" in str(error)
        else:
            raise AssertionError("one query more than there are networks was taken")


def _some(table: Table) -> list[int]:
    rng = random.Random(0)
    return [rng.randrange(len(table)) for _ in range(SAMPLES)]
