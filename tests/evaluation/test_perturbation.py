"""Selection by what a mixture loses without an option: what is kept, and how what is decided runs from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from azora.evaluation import perturbation
from azora.evaluation.mixing import Favoured
from azora.evaluation.perturbation import Perturbation
from azora.networks.darts import Darts
from azora.networks.derivation import Derivation
from azora.networks.nb201 import NB201
from azora.networks.registry import make_space
from azora.networks.relaxation import Relaxation
from azora.space import Architecture, Option, Space
from azora.tasks import Task
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings


def training(task: Task, settings: MixtureSettings, epochs: float = 4.0, space: Space | None = None) -> MixtureTraining:
    data = task.search_data
    space = space or make_space("nb201", task.signature, width=4, depth=1)
    return MixtureTraining(space, data.train, data.signature, data.scaling, settings, epochs, seed=1)


def selected(selection: Perturbation, derivation: Derivation) -> Architecture:
    return derivation.strongest(selection.strengths(derivation))


def test_perturbation_keeps_what_the_mixture_cannot_do_without(stripes: Task) -> None:
    space = NB201(stripes.signature, width=4, depth=1).constrain(
        None, "", **{f"operation_{a}_{b}": ["none", "conv_3x3"] for a, b in ((0, 3), (0, 1))},
        **{f"operation_{a}_{b}": "none" for a, b in ((0, 2), (1, 2), (1, 3), (2, 3))},
    )  # fmt: skip
    made = training(stripes, MixtureSettings(), 8.0, space)
    made.advance()
    derivation = Derivation(space, made.relaxed.options)
    found = selected(Perturbation(made, Favoured(made, stripes.search_data, rows=64)), derivation)
    assert found["operation_0_3"] == "conv_3x3"  # the one way from the input to the output
    assert made.relaxed.taken == made.relaxed.left_out == {}


def edges_of_one_cell(task: Task) -> Space:
    """DARTS' space, of which only the normal cell is open."""
    space = Darts(task.signature, width=2, layers=3, none=True, operations=("skip_connect", "sep_conv_3x3"))
    return space.constrain(
        None, "", **{f"reduce_operation_{a}_{b}": "skip_connect" for b in (2, 3, 4, 5) for a in range(b)}
    )


def blocks(task: Task) -> Space:
    return make_space(
        "stages", task.signature, per_block=True, widths=((4,), (8,)), depths=(1,), kernels=(3,), expansions=(1,),
        resolutions=(1.0,),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "space"), [("gumbel", edges_of_one_cell), ("binary", blocks)])
def test_while_perturbation_decides_draws_run_what_is_decided(
    stripes: Task, monkeypatch: pytest.MonkeyPatch, kind: str, space: Callable[[Task], Space]
) -> None:
    """With a weight of 1, and where single paths are drawn, too: no node is without an input."""
    made = training(stripes, MixtureSettings(Relaxation(kind), batch_size=16), 2.0, space(stripes))
    made.advance()
    tune, decided, dropped = MixtureTraining.tune, list[int](), set[str]()

    def watched(self: MixtureTraining, steps: int) -> None:
        tune(self, steps)
        decided.append(len(self.relaxed.taken))
        dropped.update(self.relaxed.left_out)
        for name, place in self.relaxed.taken.items():
            gate = self.relaxed.gates()[name]
            runs = () if name in dropped else (place,)
            assert gate.runs == runs and float(gate.weights.sum()) == len(runs)

    monkeypatch.setattr(MixtureTraining, "tune", watched)
    monkeypatch.setattr(perturbation, "TUNED", 2)
    derivation = Derivation(made.space, made.relaxed.options)
    found = selected(Perturbation(made, Favoured(made, stripes.search_data, rows=32)), derivation)
    choices = len(made.relaxed.options)
    assert decided[:choices] == list(range(1, choices + 1)) and len(decided) == choices + len(dropped)
    assert made.space.valid(dict(found.items())) == found
    assert len(dropped) == (6 if kind == "gumbel" else 0)  # of fourteen edges two a node stay
    assert made.relaxed.taken == made.relaxed.left_out == {}


class Missing:
    """Judges a mixture by whether it still runs an option, and notes what it is tried without."""

    sign, metric = 1.0, "accuracy"

    def __init__(self, made: MixtureTraining, name: str, option: Option) -> None:
        self.relaxed, self.name = made.relaxed, name
        self.place = made.relaxed.options[name].index(option)
        self.tried = dict[str, set[int]]()

    def settled(self) -> Mapping[str, float]:
        for name, out in self.relaxed.left_out.items():
            self.tried.setdefault(name, set()).update(out)
        self.relaxed.settle()
        return {"accuracy": float(self.place in self.relaxed.gates()[self.name].runs)}


def test_no_normalisation_can_be_what_a_table_needs(slopes: Task) -> None:
    space = make_space("mlp", slopes.signature, depths=(1,), widths=(8,), dropouts=(0.0,))
    made = training(slopes, MixtureSettings(), 1.0, space)
    derivation = Derivation(space, made.relaxed.options)
    judge: Any = Missing(made, "normalisation", "none")
    assert selected(Perturbation(made, judge), derivation)["normalisation"] == "none"
    assert judge.tried == {name: set(range(len(values))) for name, values in made.relaxed.options.items()}


def test_no_input_of_a_node_is_none(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MixtureTraining, "tune", lambda self, steps: None)
    space = edges_of_one_cell(stripes)
    made = training(stripes, MixtureSettings(), 1.0, space)
    derivation = Derivation(space, made.relaxed.options)
    judge: Any = Missing(made, "normal_operation_0_2", "none")
    found = selected(Perturbation(made, judge), derivation)
    assert found["normal_operation_0_2"] != "none"
    assert judge.tried["normal_operation_0_2"] == {1, 2}  # node 2 has two inputs, of which none can be dropped


def test_out_of_time_perturbation_decides_by_the_weights(stripes: Task) -> None:
    made = training(stripes, MixtureSettings())
    derivation = Derivation(made.space, made.relaxed.options)
    selection = Perturbation(made, Favoured(made, stripes.search_data), over=lambda: True)
    assert selected(selection, derivation) == derivation.strongest(made.strengths())
    assert selection.decided == 0
