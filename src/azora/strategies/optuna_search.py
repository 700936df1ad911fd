"""Optuna's samplers."""

from __future__ import annotations

import contextlib
import copy
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final, get_args

from azora.errors import ConfigError, SpaceError
from azora.settings import check_whole, closest, given
from azora.space import Architecture, Categorical, Integer, Option, Real, Space
from azora.strategies.fresh import familiar, stranger, walk
from azora.strategies.strategy import Affordable, Strategy
from azora.trial import Objective, Proposal, Report

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Sampler = Literal["tpe", "gp", "cmaes", "nsga2", "nsga3"]
NOTING = ("cmaes", "nsga2", "nsga3")  # these go by what they noted of earlier trials; the others by the trials alone


@dataclass(frozen=True)
class _Thought:
    """What a sampler suggested, and what it noted: of that trial, and of the study."""

    state: object
    decisions: Mapping[str, Option]
    trial_notes: Mapping[str, Any]
    study_notes: Mapping[str, Any]


@final
class OptunaSearch(Strategy):
    """A sampler of Optuna (Akiba et al., 2019) proposes; what it is not good for is left to azora.

    The sampler has Optuna's defaults, and decides one choice after another: what does not exist is not suggested. A
    suggestion that is known already, or breaks a rule or a limit, is replaced by a mutation of it, and Optuna is told
    what was judged in its place. What fails is told as failed, what is being judged as running. Of a network that is
    judged several times, the longest judgement that came to a number counts, and of equally long ones the first.

    The sampler is made anew for every ask from the seed and the number of asks before: what it notes of a trial (CMA-ES
    its distribution, NSGA its generations) comes out the same when asks are replayed. It works on a copy of the study,
    so that a proposal changes nothing.

    Args:
        objectives: what is searched for, the first is `objective`; several for all samplers but "cmaes".
        sampler: "tpe" (Bergstra et al., 2011), "gp" (a Gaussian process; several objectives by expected hypervolume),
            "cmaes" (Hansen & Ostermeier, 2001: for numbers; what is none or does not always exist is left to TPE),
            "nsga2" (Deb et al., 2002) or "nsga3" (Deb & Jain, 2014).
        start: judgements at random before "tpe" and "gp" begin to learn; the space's familiar points come first among
            them, as many as there are.
        population: of "nsga2" and "nsga3", None fits it to what the search can pay for (a sixth, 12 to 100); of
            "cmaes", None is what the number of choices asks for.

    Raises:
        ConfigError: Optuna is not installed, an unknown sampler, a setting outside its bounds, or "cmaes" for several
            objectives or for a space without numbers.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        objectives: Sequence[Objective] = (Objective(),),
        sampler: Sampler = "tpe",
        start: int = 10,
        population: int | None = None,
    ) -> None:
        super().__init__(space, seed, objectives[0])
        if sampler not in get_args(Sampler):
            raise ConfigError(f"sampler={sampler!r}: {closest(str(sampler), get_args(Sampler))}")
        check_whole(1, start=start)
        check_whole(4, **given(population=population))
        if sampler == "cmaes":
            _check_numbers(space, objectives)
        from azora.optuna import parameters  # where Optuna is not installed, this says so

        self.objectives, self.sampler, self.start, self.population = tuple(objectives), sampler, start, population
        self.size = population or 20
        self.seen: set[str] = set()
        self.numbers: dict[str, int] = {}  # of the trials in Optuna's study, by architecture
        self.finished: dict[str, float] = {}  # the budget of the judgement that counts, by architecture
        self.told = 0
        self._parameters = parameters(space)
        self._made = _SAMPLERS[sampler]
        self._thought: _Thought | None = None
        self._open()

    def _open(self) -> None:
        import optuna

        self.storage = optuna.storages.InMemoryStorage()
        with _quiet():
            self.study = optuna.create_study(storage=self.storage, directions=["maximize"] * len(self.objectives))
        self._study_id = self.storage.get_study_id_from_name(self.study.study_name)

    def fit(self, affordable: Affordable) -> None:
        if self.population is None:
            self.size = min(100, max(12, round(affordable.units / 6)))

    def propose(self, rng: random.Random) -> Proposal | None:
        if len(self.seen) < self.start and (known := familiar(self.space, self.seen)) is not None:
            return known
        decisions = self._think().decisions
        architecture = self.space.valid(decisions)
        if architecture is not None and architecture.key not in self.seen:
            return Proposal(architecture, origin=f"Optuna's {self.sampler}")
        return self._near(architecture, decisions, rng) or stranger(self.space, self.seen, rng)

    def proposed(self, proposal: Proposal) -> None:
        self.seen.add(proposal.architecture.key)
        if proposal.architecture.key not in self.numbers:
            self._enter(proposal.architecture)

    def learn(self, proposal: Proposal, report: Report) -> None:
        from optuna.trial import TrialState

        key = proposal.architecture.key
        if key not in self.numbers:
            self._enter(proposal.architecture)
        scores = [objective.score(report) for objective in self.objectives]
        able = all(map(math.isfinite, scores))
        length = -math.inf if not able else math.inf if proposal.budget is None else proposal.budget
        before = self.finished.get(key)
        if before is not None and length <= before:
            return
        if before is not None:
            self._replace(self.numbers[key], scores)
        elif able:
            self.study.tell(self.numbers[key], scores)
        else:
            self.study.tell(self.numbers[key], state=TrialState.FAIL)
        self.finished[key] = length
        self.told += 1

    def _replace(self, number: int, scores: Sequence[float]) -> None:
        """Another end of a trial that was finished. Optuna writes such a trial no more, so the study is put together
        anew, with the same numbers and notes."""
        import optuna

        trials = [*self.study.get_trials(deepcopy=False)]
        notes = self.storage.get_study_system_attrs(self._study_id)
        old = trials[number]
        trials[number] = optuna.trial.create_trial(
            values=list(scores), params=old.params, distributions=old.distributions, system_attrs=old.system_attrs
        )
        self._open()
        for name, note in notes.items():
            self.storage.set_study_system_attr(self._study_id, name, note)
        self.study.add_trials(trials)

    def _near(
        self, architecture: Architecture | None, decisions: Mapping[str, Option], rng: random.Random
    ) -> Proposal | None:
        """A mutation of what was suggested: it is known, or not allowed here and only in the whole space."""
        origin = f"mutation of what Optuna's {self.sampler} suggested"
        if architecture is None:
            try:
                architecture = self.space.root.architecture(**decisions)
            except SpaceError:  # the whole space has a rule against it too
                return None
        return walk(self.space, architecture, self.seen, rng, origin)

    def _think(self) -> _Thought:
        """What the sampler suggests next: a function of the seed and the events so far, thought once."""
        state = (len(self.numbers), self.told, self.size)
        if self._thought is None or self._thought.state != state:
            from azora.optuna import decide

            # The copy shares the trials, for none of them is written again.
            shared: dict[int, Any] = {id(trial): trial for trial in self.study.get_trials(deepcopy=False)}
            study, storage = copy.deepcopy((self.study, self.storage), shared)
            seed = random.Random(f"{self.seed}:{len(self.numbers)}").getrandbits(31)
            with _quiet():
                study.sampler = self._made(seed, self.start, self.size, self.population)
                decisions = decide(study.ask(), self.space, self._parameters)
            notes = study.get_trials(deepcopy=False)[-1].system_attrs
            self._thought = _Thought(state, decisions, notes, storage.get_study_system_attrs(self._study_id))
        return self._thought

    def _enter(self, architecture: Architecture) -> None:
        """A running trial in Optuna's study, with the notes of the sampler where it goes by them."""
        import optuna

        notes: Mapping[str, Any] = {}
        if self.sampler in NOTING:
            thought = self._think()
            notes = thought.trial_notes
            for name, note in thought.study_notes.items():
                self.storage.set_study_system_attr(self._study_id, name, note)
        seen = {self._parameters[name]: option for name, option in architecture.items()}
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params={parameter.name: parameter.value(option) for parameter, option in seen.items()},
            distributions={parameter.name: parameter.distribution for parameter in seen},
            system_attrs=dict(notes),
        )
        self.study.add_trial(trial)
        self.numbers[architecture.key] = len(self.numbers)


Make = Callable[[int, int, int, int | None], "BaseSampler"]  # seed, start, size, population


def _tpe(seed: int, start: int, size: int, population: int | None) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=start)


def _gp(seed: int, start: int, size: int, population: int | None) -> BaseSampler:
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, n_startup_trials=start)


def _cmaes(seed: int, start: int, size: int, population: int | None) -> BaseSampler:
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, popsize=population, independent_sampler=_tpe(seed, start, size, population))


def _nsga2(seed: int, start: int, size: int, population: int | None) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed, population_size=size)


def _nsga3(seed: int, start: int, size: int, population: int | None) -> BaseSampler:
    from optuna.samplers import NSGAIIISampler

    return NSGAIIISampler(seed=seed, population_size=size)


_SAMPLERS: dict[str, Make] = {"tpe": _tpe, "gp": _gp, "cmaes": _cmaes, "nsga2": _nsga2, "nsga3": _nsga3}


def _check_numbers(space: Space, objectives: Sequence[Objective]) -> None:
    if len(objectives) > 1:
        raise ConfigError(f"sampler='cmaes' is for one objective, not for {len(objectives)}; take 'tpe' or 'nsga2'")
    numbers = [
        choice
        for choice in space.choices.values()
        if isinstance(choice, Real | Integer) or (isinstance(choice, Categorical) and choice.ordered)
    ]
    if not any(choice.varies and not choice.when for choice in numbers):
        raise ConfigError(f"sampler='cmaes' is for numbers, and {space.name} has none that always exists; take 'tpe'")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna logs every study, and every choice that a sampler leaves to another, and warns of what is new in it."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
