"""The space whose points are search strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from azora.space import Architecture, Categorical, Choice, Integer, Option, Real, Space, When
from azora.strategies.bayesian import SURROGATES
from azora.strategies.making import FIDELITIES, FULL

PHASES = 3
SELDOM = 8  # judgements between two fits of a surrogate, at most
MUTATING = ("mutation", "cross")  # sources whose candidates mutate
NEAR = ("neighbours", "mixed")  # those with neighbours of the best by a surrogate, or else of winners of tournaments
ALWAYS, SOMETIMES, NEVER = "always", "sometimes", "never"

EVOLUTION: Mapping[str, Any] = {"phases": [{"source": "mutation", "draws": 5}], "start": 18, "population": 18}
BAYESIAN: Mapping[str, Any] = {"phases": [{"source": "mixed", "guided": 1.0, "pool": 400, "draws": 8}], "start": 10}
HALVING: Mapping[str, Any] = {**EVOLUTION, "fidelity": "halving"}
BOTH: Mapping[str, Any] = {
    "phases": [
        {"source": "mixed", "guided": 1.0, "pool": 400, "draws": 8, "until": 0.5},
        {"source": "mutation", "guided": 0.5, "pool": 100},
    ],
    "start": 10,
}


@final
class Compositions(Space):
    """Strategies that `azora.strategies.Composed` can be: up to three phases, each with a source of candidates, a
    surrogate or none, an acquisition, and their numbers, rates of mutation by the kind of choice among them; when one
    phase gives way to the next; what the population forgets; and by which rule trainings are long or short. Which parts
    there are is decided as well as how large each number is."""

    def __init__(self) -> None:
        choices: list[Choice] = [
            Integer("phases", 1, PHASES),
            Integer("start", 3, 40, log=True),
            Integer("population", 5, 100, log=True),
            Categorical("replacement", ("oldest", "worst", "none")),
            Categorical("fidelity", FIDELITIES),
        ]
        for place in range(PHASES):
            choices += _phase(place)
        super().__init__("compositions", choices)

    def familiar(self) -> Sequence[Mapping[str, Option]]:
        return [decisions_of(each) for each in (EVOLUTION, BAYESIAN, BOTH, HALVING)]


def _phase(place: int) -> list[Choice]:
    there = () if place == 0 else (When("phases", tuple(range(place + 1, PHASES + 1))),)
    learns = (*there, When(f"guided_{place}", (ALWAYS, SOMETIMES)))
    sometimes = (*there, When(f"guided_{place}", (SOMETIMES,)))
    mutates = (*there, When(f"source_{place}", MUTATING))
    free = (*there, When(f"guided_{place}", (SOMETIMES, NEVER)))
    choices: list[Choice] = [
        Categorical(f"source_{place}", ("random", "mutation", "cross", "neighbours", "mixed"), there),
        Categorical(f"guided_{place}", (ALWAYS, SOMETIMES, NEVER), there),
        Real(f"share_{place}", 0.1, 0.95, when=sometimes),
        Categorical(f"surrogate_{place}", tuple(SURROGATES), learns),
        Integer(f"refit_{place}", 1, SELDOM, log=True, when=learns),
        Categorical(f"acquisition_{place}", ("ei", "ucb", "thompson"), learns),
        Integer(f"pool_{place}", 10, 600, log=True, when=learns),
        Categorical(f"otherwise_{place}", ("first", "size"), free),
        Integer(f"draws_{place}", 1, 20, log=True, when=there),
        Real(f"changes_{place}", 0.5, 4.0, log=True, when=mutates),
        Real(f"rewiring_{place}", 0.25, 4.0, log=True, when=mutates),
        Real(f"resizing_{place}", 0.25, 4.0, log=True, when=mutates),
    ]
    if place < PHASES - 1:  # the last one goes on
        choices.append(Real(f"until_{place}", 0.1, 0.9, when=(When("phases", tuple(range(place + 2, PHASES + 1))),)))
    return choices


def settings_of(architecture: Architecture) -> dict[str, Any]:
    """What `Composed` is made with, as JSON."""
    found: dict[str, Any] = {name: architecture[name] for name in ("start", "population", "replacement", "fidelity")}
    count = architecture["phases"]
    assert isinstance(count, int)
    found["phases"] = [_settings(architecture, place) for place in range(count)]
    return found


def _settings(architecture: Architecture, place: int) -> dict[str, Any]:
    names = (
        "source", "surrogate", "refit", "acquisition", "pool", "otherwise", "draws", "changes", "rewiring", "resizing",
        "until",
    )  # fmt: skip
    kept = {name: architecture[f"{name}_{place}"] for name in names if f"{name}_{place}" in architecture}
    guided = {ALWAYS: 1.0, NEVER: 0.0}.get(str(architecture[f"guided_{place}"]))
    return {**kept, "guided": architecture[f"share_{place}"] if guided is None else guided}


def acting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that a run can hang on, where no judgement fails: without phases that never have their
    turn, draws of nothing, and what a population forgets of which nobody is ever a parent. Strategies of which these
    are the same make the same runs."""
    phases, end = list[dict[str, Any]](), 0.0
    for phase in settings["phases"]:
        if (until := phase.get("until", 1.0)) > end:
            end = until
            phases.append({name: value for name, value in phase.items() if name != "draws" or _draws(phase)})
    unused = {"replacement", "population"} if not any(_breeds(phase) for phase in phases) else set[str]()
    if settings["replacement"] == "none":
        unused.add("population")
    return {**{name: value for name, value in settings.items() if name not in unused}, "phases": phases}


def _draws(phase: Mapping[str, Any]) -> bool:
    return phase["source"] in (*MUTATING, *NEAR)


def _breeds(phase: Mapping[str, Any]) -> bool:
    """Whether parents come from the population."""
    return phase["source"] in MUTATING or (phase["source"] in NEAR and phase["guided"] < 1.0)


def decisions_of(settings: Mapping[str, Any]) -> dict[str, Option]:
    """Decisions of a strategy that is given as JSON; what it does not say is as `Composed` and `Phase` have it."""
    usual = {"start": 10, "population": 20, "replacement": "oldest", "fidelity": FULL}
    found: dict[str, Option] = {name: settings.get(name, value) for name, value in usual.items()}
    found["phases"] = len(settings["phases"])
    parts = {
        "source": "mutation", "surrogate": "gp", "refit": 1, "acquisition": "ei", "pool": 100,
        "otherwise": "first", "draws": 5, "changes": 1.0, "rewiring": 1.0, "resizing": 1.0, "until": 0.9,
    }  # fmt: skip
    for place, phase in enumerate(settings["phases"]):
        guided = float(phase.get("guided", 0.0))
        found[f"guided_{place}"] = ALWAYS if guided == 1.0 else NEVER if guided == 0.0 else SOMETIMES
        found[f"share_{place}"] = min(0.95, max(0.1, guided))
        found |= {f"{name}_{place}": phase.get(name, value) for name, value in parts.items()}
    found.pop(f"until_{PHASES - 1}", None)  # the last one goes on
    return found
