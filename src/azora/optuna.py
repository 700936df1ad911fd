"""azora's spaces for those who live in Optuna. Needs the extra: `pip install azora[optuna]`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import final

from azora.errors import ConfigError
from azora.space import Architecture, Categorical, Choice, Integer, Option, Real, Space

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
except ModuleNotFoundError as error:
    raise ConfigError(f"Optuna is wanted and {error.name} is not installed; pip install azora[optuna]") from None


def suggest(trial: optuna.trial.BaseTrial, space: Space) -> Architecture:
    """The architecture that `trial` decides, one choice after another in the space's order.

    What does not exist, given the decisions before it, is not suggested. Works with any sampler and any pruner, and a
    finished trial, such as `study.best_trial`, gives its architecture again. What a choice is to Optuna: `Parameter`.

    Raises:
        optuna.TrialPruned: the decisions break a rule of the space, or a limit that it was constrained to; inside
            `study.optimize` the trial counts as pruned, and samplers learn from that.
    """
    architecture = space.valid(decide(trial, space, parameters(space)))
    if architecture is None:
        reasons = "; ".join(rule.reason for rule in space.rules)
        raise optuna.TrialPruned(f"{space.name}: the decisions break a rule: {reasons}")
    return architecture


def parameters(space: Space) -> dict[str, Parameter]:
    """How Optuna sees the choices of `space`, by their names."""
    return {name: Parameter(choice) for name, choice in space.choices.items()}


def decide(trial: optuna.trial.BaseTrial, space: Space, seen: Mapping[str, Parameter]) -> dict[str, Option]:
    """The decisions that `trial` suggests, rules not looked at; `seen` is what `parameters` gives."""
    kept: dict[str, Option] = {}
    for name, choice in space.choices.items():
        if space.exists(choice, kept):
            kept[name] = seen[name].suggest(trial)
    return kept


@final
class Parameter:
    """One choice as Optuna sees it.

    Numbers between two ends are numbers, on a logarithm where the choice is. Options that are numbers keep their order:
    whole ones at even steps are whole numbers with a step (3, 5, 7), any others their place among them (of 16, 32 and
    64, 2 is 64), and the parameter's name then ends in " place". All other options are categories, by themselves where
    Optuna knows their type, else as Python shows them: `(0, 2)` of a subset.
    """

    def __init__(self, choice: Choice) -> None:
        self.name = choice.name
        self.distribution: BaseDistribution
        self._options: dict[Option, Option] | None = None  # by what Optuna calls them; None: by the same number
        if isinstance(choice, Real):
            self.distribution = FloatDistribution(choice.low, choice.high, log=choice.log)
        elif isinstance(choice, Integer):
            self.distribution = IntDistribution(choice.low, choice.high, log=choice.log)
        elif isinstance(choice, Categorical) and choice.ordered:
            self._order(sorted(choice.values))
        else:
            options = list(choice.options())
            plain = choice.distinct and all(option is None or isinstance(option, _PLAIN) for option in options)
            self._options = {option if plain else repr(option): option for option in options}
            self.distribution = CategoricalDistribution(tuple(self._options))
        self._names = {repr(option): known for known, option in (self._options or {}).items()}

    def _order(self, options: list[Option]) -> None:
        steps = {after - before for before, after in pairwise(options)} or {1}
        if len(steps) == 1 and all(isinstance(option, int) for option in options):
            self._options = {option: option for option in options}
            self.distribution = IntDistribution(options[0], options[-1], step=steps.pop())
        else:
            self.name += " place"
            self._options = dict(enumerate(options))
            self.distribution = IntDistribution(0, len(options) - 1)

    def suggest(self, trial: optuna.trial.BaseTrial) -> Option:
        """The option that `trial` suggests."""
        match self.distribution:
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(self.name, low, high, log=log)
            case IntDistribution(low=first, high=last, step=step, log=log):
                value: Option = trial.suggest_int(self.name, first, last, step=step, log=log)
            case CategoricalDistribution(choices=choices):
                value = trial.suggest_categorical(self.name, choices)
        return value if self._options is None else self._options[value]

    def value(self, option: Option) -> Option:
        """What Optuna calls `option`."""
        return option if self._options is None else self._names[repr(option)]


_PLAIN = (bool, int, float, str)
