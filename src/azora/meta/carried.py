"""The search that a model carries: how it was found, what was learned on the way, and how it may be made better."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from azora.errors import AzoraError, BundleError
from azora.meta.policy import Policy
from azora.meta.record import Judgement, Record

SCHEMA = 1
MOST_RECORDS = 8  # searches and looks that are remembered
MOST_TRIALS = 24  # networks of each


@final
@dataclass(frozen=True)
class Carried:
    """What a model carries beside its weights; its space and architecture are in `model.json`. It is data alone.

    Args:
        strategy: `{"name", "settings", "objective", "seed", "budget"}` of the search.
        recipe_searched: whether the search decided on the recipe as well, so that records are of both.
        recipe: settings of `azora.training.RecipeSettings` by which the model was trained last.
        policy: the rules of `azora improve`.
        records: of the search itself first, then of alike tasks that it heard of and of looks since, the newest last.
    """

    strategy: Mapping[str, Any]
    recipe_searched: bool
    recipe: Mapping[str, Any]
    policy: Policy
    records: Sequence[Record] = field(default_factory=tuple)

    def to_text(self) -> str:
        """JSON, bounded: the first record and the seven newest, 24 networks of each, the better half the best."""
        own, others = self.records[:1], self.records[1:]
        kept = [*own, *others[max(0, len(others) - MOST_RECORDS + 1) :]]
        shown = [_bounded(each).to_json() for each in kept]
        data = {
            "schema": SCHEMA, "strategy": dict(self.strategy), "recipe_searched": self.recipe_searched,
            "recipe": dict(self.recipe), "policy": self.policy.to_json(), "memory": shown,
        }  # fmt: skip
        return json.dumps(data, allow_nan=False) + "\n"

    @classmethod
    def from_text(cls, text: str, where: str) -> Carried:
        """What `to_text` wrote; `where` names it in errors.

        Raises:
            BundleError: it is damaged, of a newer schema, or a policy of impossible rules.
        """
        try:
            data = json.loads(text)
            if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
                raise BundleError(f"{where} is not the description of a search")
            if data["schema"] > SCHEMA:
                raise BundleError(
                    f"{where} has schema {data['schema']}, this azora reads up to {SCHEMA}; use a newer azora"
                )
            strategy, recipe, policy = (dict(data[name]) for name in ("strategy", "recipe", "policy"))
            records = [Record.from_json(each) for each in data["memory"]]
            return cls(strategy, bool(data["recipe_searched"]), recipe, Policy.of(policy), records)
        except BundleError:
            raise
        except AzoraError as error:
            raise BundleError(f"{where} does not hold together: {error}") from error
        except KeyError as error:
            raise BundleError(f"{where} is damaged: it lacks {error}") from error
        except (AttributeError, RecursionError, TypeError, ValueError) as error:
            raise BundleError(f"{where} is damaged: {error}") from error

    def learned(self, record: Record) -> Carried:
        """With one more record, the newest."""
        return replace(self, records=[*self.records, record])


def _bounded(record: Record) -> Record:
    """The best first: records that were imported are in any order. Each by its longest training alone."""
    kept = thinned(sorted(record.trials, key=record.standing, reverse=True), MOST_TRIALS)
    return replace(record, trials=[replace(each, others=()) for each in kept])


def thinned(trials: Sequence[Judgement], most: int) -> list[Judgement]:
    """`most` of what was judged, the best given first: the better half the best, the rest at even steps."""
    half = most // 2
    return [*trials[:half], *trials[half :: max(1, len(trials) // half)]]
