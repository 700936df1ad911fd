"""azora's spaces inside Optuna."""

from __future__ import annotations

import warnings
from collections import Counter

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import azora.optuna
from azora.optuna import Parameter, suggest
from azora.space import Architecture, Categorical, Choice, Integer, Real, Space, Subset
from azora.testing.strategy_contract import judge, tiny_space
from azora.trial import Proposal


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def made(sampler: optuna.samplers.BaseSampler, trials: int, space: Space) -> tuple[optuna.Study, list[Architecture]]:
    found: list[Architecture] = []

    def objective(trial: optuna.Trial) -> float:
        found.append(suggest(trial, space))
        return judge(Proposal(found[-1])).metrics["accuracy"]

    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study, found


@pytest.mark.parametrize(
    ("choice", "distribution", "called"),
    [
        (Real("c", 1e-3, 1.0, log=True), FloatDistribution(1e-3, 1.0, log=True), {0.25: 0.25}),
        (Real("c", 0, 2), FloatDistribution(0, 2), {0.5: 0.5}),
        (Integer("c", 4, 64, log=True), IntDistribution(4, 64, log=True), {8: 8}),
        (Categorical("c", (7, 3, 5)), IntDistribution(3, 7, step=2), {3: 3, 7: 7}),
        (Categorical("c", (16, 32, 64)), IntDistribution(0, 2), {16: 0, 64: 2}),
        (Categorical("c", (0.5, 0.1)), IntDistribution(0, 1), {0.1: 0, 0.5: 1}),
        (Categorical("c", (8,)), IntDistribution(8, 8), {8: 8}),
        (Categorical("c", ("conv", None)), CategoricalDistribution(("conv", None)), {None: None}),
        (Categorical("c", (False, True)), CategoricalDistribution((False, True)), {True: True}),
        (Categorical("c", (1, True)), CategoricalDistribution(("1", "True")), {1: "1"}),
        (Subset("c", (0, 1), 1, 2), CategoricalDistribution(("(0,)", "(1,)", "(0, 1)")), {(0, 1): "(0, 1)"}),
    ],
    ids=str,
)
def test_choices_become_what_optuna_has_for_them(
    choice: Choice, distribution: object, called: dict[object, object]
) -> None:
    parameter = Parameter(choice)
    assert parameter.distribution == distribution
    for option, value in called.items():
        assert parameter.value(option) == value
        assert parameter.suggest(optuna.trial.FixedTrial({parameter.name: value})) == option


def test_numbers_by_their_place_are_named_so() -> None:
    assert Parameter(Categorical("width", (16, 32, 64))).name == "width place"
    assert Parameter(Categorical("kernel", (3, 5, 7))).name == "kernel"


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "nsga2"])
def test_every_sampler_suggests_what_exists_and_nothing_else(sampler: str) -> None:
    kinds = {
        "random": optuna.samplers.RandomSampler(seed=0),
        "tpe": optuna.samplers.TPESampler(seed=0, n_startup_trials=5),
        "cmaes": optuna.samplers.CmaEsSampler(seed=0),
        "nsga2": optuna.samplers.NSGAIISampler(seed=0, population_size=5),
    }
    study, found = made(kinds[sampler], 20, tiny_space())
    for trial, architecture in zip(study.trials, found, strict=True):
        assert trial.state.name == "COMPLETE"
        assert trial.params.keys() == architecture.keys()
        assert ("second" in trial.params) == (architecture["depth"] > 1)
        assert ("inputs" in trial.params) == (architecture["depth"] == 3)


def test_a_finished_trial_gives_its_architecture_again() -> None:
    study, found = made(optuna.samplers.RandomSampler(seed=1), 12, tiny_space())
    assert suggest(study.best_trial, tiny_space()) == found[study.best_trial.number]


def test_what_breaks_a_limit_is_pruned_and_the_rest_is_within_it() -> None:
    part = tiny_space().constrain(lambda architecture: architecture["width"] <= 16, "width at most 16", depth=2)
    study, _ = made(optuna.samplers.RandomSampler(seed=0), 30, part)
    states = Counter(trial.state.name for trial in study.trials)
    assert states["COMPLETE"] and states["PRUNED"] and sum(states.values()) == 30
    for trial in study.trials:
        assert (trial.state.name == "COMPLETE") == (trial.params["width"] <= 16)
        assert trial.params["depth"] == 2
    with pytest.raises(optuna.TrialPruned, match="width at most 16"):
        suggest(study.get_trials(states=(optuna.trial.TrialState.PRUNED,))[0], part)


def test_a_pruner_may_end_it() -> None:
    def objective(trial: optuna.Trial) -> float:
        score = judge(Proposal(suggest(trial, tiny_space()))).metrics["accuracy"]
        for step in range(3):
            trial.report(score, step)
            if trial.should_prune():
                raise optuna.TrialPruned()
        return score

    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=0)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=4), pruner=pruner
    )
    study.optimize(objective, n_trials=20)
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_importing_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert azora.optuna.parameters(tiny_space()).keys() == tiny_space().choices.keys()
