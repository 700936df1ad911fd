"""Training a mixture and its logits: exact continuation, stages, costs, two processes."""

from __future__ import annotations

import math
import threading
from queue import Queue
from typing import Any

import pytest
import torch
from tests.training.mixing import training

from azora.evaluation.mixing import settings_from_json, settings_to_json
from azora.methods.presets import PRESETS
from azora.networks.mixed import Mixed
from azora.networks.mixture import Relaxed
from azora.networks.registry import make_space
from azora.networks.relaxation import Relaxation
from azora.tasks import Task
from azora.training.mixture_settings import MixtureSettings, Stage
from azora.training.mode import Mode

SETTINGS = {
    "gdas": MixtureSettings(Relaxation("gumbel")),
    "second order": MixtureSettings(order=2),
    "stages": MixtureSettings(Relaxation("dirichlet", channels=2), stages=(Stage(), Stage(options=2, channels=1))),
    "binary": MixtureSettings(Relaxation("binary"), every=2, cost="macs", cost_form="power-ratio"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_put_down_and_taken_up_it_is_the_same_bit_for_bit(stripes: Task, name: str) -> None:
    whole, first, second = (training(stripes, SETTINGS[name]) for _ in range(3))
    assert whole.advance()
    first.advance(2.5)
    second.load_state(first.state_tensors())
    assert second.advance()
    ends = whole.state_tensors(), second.state_tensors()
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_the_skip_beside_fades_as_far_as_the_training_is_long(stripes: Task) -> None:
    """Faded to nothing over a few hundred steps, it leaves its place to the skip among the options."""
    made = training(stripes, MixtureSettings(Relaxation(skip=1.0)))
    made.advance()
    steps = made.step
    assert 0 < steps < 1_000
    made._draw(learns=True, step=steps)
    (beside,) = {gate.skip for gate in made.relaxed.gates().values()}
    assert beside == pytest.approx(1.0 - steps / 19_500, abs=1e-3)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_settings_survive_json(preset: str) -> None:
    import json

    settings = PRESETS[preset].settings
    assert settings_from_json(json.loads(json.dumps(settings_to_json(settings)))) == settings


def test_frozen_logits_wait_and_weights_do_not(stripes: Task) -> None:
    made = training(stripes, MixtureSettings(frozen=0.5))
    before = {name: value.clone() for name, value in made.relaxed.state_dict().items()}
    logits = made.relaxed.logits.values.detach().clone()
    made.advance(1.0)
    assert torch.equal(made.relaxed.logits.values, logits)
    assert any(not torch.equal(before[name], value) for name, value in made.relaxed.state_dict().items())
    made.advance(4.0)
    assert not torch.equal(made.relaxed.logits.values, logits)


def test_stages_keep_the_strongest_options_and_the_weights_that_fit(stripes: Task) -> None:
    settings = MixtureSettings(stages=(Stage(), Stage(options=2, deeper=1)))
    made = training(stripes, settings)
    made.advance(2.0)
    strongest = {name: set(weights.topk(2).indices.tolist()) for name, weights in made.strengths().items()}
    cells = len(made.relaxed.network.stage_0)  # type: ignore[arg-type]
    options, stem = made.relaxed.options, made.relaxed.network.stem[0].weight.detach().clone()  # type: ignore[index,union-attr,operator]
    made.share = 0.5
    made._advance_stage()
    assert made.stage == 1
    assert all({options[name].index(value) for value in made.kept[name]} == strongest[name] for name in strongest)
    assert len(made.relaxed.network.stage_0) == cells + 1  # type: ignore[arg-type]
    assert torch.equal(made.relaxed.network.stem[0].weight, stem)  # type: ignore[index,union-attr]
    assert made.advance() and all(len(values) == 2 for values in made.relaxed.options.values())


def test_a_stage_that_begins_anew_remembers_only_what_was_dropped(stripes: Task) -> None:
    settings = MixtureSettings(
        logits_rate=0.2, batch_size=8, stages=(Stage(), Stage(options=3, anew=True), Stage(options=2, anew=True))
    )
    made = training(stripes, settings, 6.0)
    left = {name: set(values) for name, values in made.relaxed.options.items()}
    for stage, options in ((1, 3), (2, 2)):
        made.advance(2.0 * stage)
        assert made.stage == stage - 1 and float(made.relaxed.logits.values.detach().abs().max()) > 0.1
        strengths, values = made.strengths(), made.relaxed.options
        best = {n: {values[n][place] for place in each.topk(options).indices} for n, each in strengths.items()}
        made.share = stage / 3
        made._advance_stage()
        kept = {name: set(each) for name, each in made.relaxed.options.items()}
        assert kept == best and all(kept[name] < left[name] for name in left)
        new = Relaxed(made.space, seed=1, kept=made.kept)
        assert torch.equal(made.relaxed.logits.values, new.logits.values)
        expected = new.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in made.relaxed.state_dict().items())
        assert not made.optimiser.momenta() and made.logit_optimiser.count == 0
        left = kept
    assert [stage.anew for stage in PRESETS["p-darts"].settings.stages] == [False, True, True]


def test_where_there_are_limits_the_cheapest_options_go_on(stripes: Task) -> None:
    """Though they are the weakest: of the others alone nothing might be allowed."""
    kept = dict[bool, dict[str, Any]]()
    for limited in (False, True):
        made = training(stripes, MixtureSettings(stages=(Stage(), Stage(options=2))), limited=limited)
        with torch.no_grad():
            for name, options in made.relaxed.options.items():
                made.relaxed.logits[name].copy_(torch.tensor([2.0 * each.startswith("conv") for each in options]))
                made.relaxed.logits[name][options.index("skip_connect")] = -1.0
        made.share = 0.5
        made._advance_stage()
        kept[limited] = {name: set(values) for name, values in made.relaxed.options.items()}
    assert all(values == {"conv_1x1", "conv_3x3"} for values in kept[False].values())
    assert all(values == {"none", "conv_1x1", "conv_3x3"} for values in kept[True].values())


def test_a_gradient_that_is_no_number_never_reaches_the_weights(stripes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the last step of an epoch either, whose loss is one."""
    made = training(stripes, MixtureSettings())
    loss, last = made._loss, made.batches.steps - 1
    poison = iter([True])

    def poisoned(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if made.step != last or not next(poison, False):
            return loss(x, y)
        weights = next(each for each in made.relaxed.parameters() if each.requires_grad)
        return loss(x, y) + (0 * weights).sqrt().sum()  # of 0, which has no gradient

    monkeypatch.setattr(made, "_step_logits", lambda rate, logits_rate: None)
    monkeypatch.setattr(made, "_loss", poisoned)
    made.advance(1.0)
    assert made.halvings == 1 and made.epochs == 1.0
    assert all(bool(each.isfinite().all()) for each in made.relaxed.parameters())


def test_tuning_keeps_to_halved_rates_and_what_diverges_is_undone(
    stripes: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training(stripes, MixtureSettings())
    made.advance(1.0)
    made.halvings, rates = 1, list[float]()
    step = made.optimiser.step
    monkeypatch.setattr(made.optimiser, "step", lambda rate: (rates.append(rate), step(rate)))
    made.tune(2)
    assert rates == [0.05 / 25 / 2] * 2
    before = made.state_tensors()
    loss, calls = made._loss, iter([1.0, math.nan])
    monkeypatch.setattr(made, "_loss", lambda x, y: loss(x, y) * next(calls))
    made.tune(4)
    after = made.state_tensors()
    assert len(rates) == 3 and all(torch.equal(value, after[name]) for name, value in before.items())


def test_differences_of_losses_are_taken_in_single_precision(stripes: Task) -> None:
    """In half of it the steps to both sides are rounded away."""
    short, single = (training(stripes, MixtureSettings(), mode=Mode(bf16)) for bf16 in (True, False))
    assert short.eigenvalue() == single.eigenvalue()
    x, y = short.batches.plain(torch.arange(8)), short.batches.y[:8]
    assert not torch.equal(short._loss(x, y), single._loss(x, y))
    assert torch.equal(short._loss(x, y, exact=True), single._loss(x, y, exact=True))


def test_latencies_are_measured_once(stripes: Task) -> None:
    """What is taken up goes on with the same table, and the same target."""
    one, other = (training(stripes, MixtureSettings(cost="latency")) for _ in range(2))
    assert one.costs is not None and other.costs is not None and one.target != other.target
    other.load_state(one.state_tensors())
    assert one.target == other.target and one.costs.fixed == other.costs.fixed
    assert all(torch.equal(table, other.costs.options[name]) for name, table in one.costs.options.items())


def test_a_ranking_is_of_the_options_that_learn(stripes: Task) -> None:
    made = training(stripes, MixtureSettings())
    with torch.no_grad():
        for name, options in made.relaxed.options.items():
            made.relaxed.logits[name].copy_(torch.tensor([float(each == "conv_3x3") for each in options]))
    first = made.ranking()
    options = next(iter(made.relaxed.options.values()))
    assert first == {each: [options.index("conv_3x3"), options.index("conv_1x1")] for each in made.relaxed.options}
    name = next(iter(first))
    with torch.no_grad():
        made.relaxed.logits[name][options.index("skip_connect")] = 5.0
        assert made.ranking() == first
        made.relaxed.logits[name][options.index("conv_1x1")] = 5.0
        assert made.ranking() == {**first, name: first[name][::-1]}


def test_a_cost_in_the_loss_makes_cheap_options_favoured(stripes: Task) -> None:
    def favoured(weight: float) -> float:
        settings = MixtureSettings(cost="macs", cost_form="linear", cost_weight=weight, logits_rate=0.2)
        made = training(stripes, settings, 6.0)
        made.advance()
        assert made.costs is not None
        made.relaxed.settle()
        return float(made.costs.expected(made.relaxed.expected()))

    assert favoured(10.0) < 0.7 * favoured(0.0)


def test_binary_steps_leave_the_others_probabilities(stripes: Task) -> None:
    made = training(stripes, MixtureSettings(Relaxation("binary"), logits_betas=(0.0, 0.999), logits_decay=0.0))
    before = {name: weights.clone() for name, weights in made.strengths().items()}
    made.advance(1 / made.batches.steps)
    moved = 0
    for name, weights in made.strengths().items():
        same = (weights - before[name]).abs() < 1e-6
        assert int(same.sum()) >= len(weights) - 2
        moved += int((~same).sum())
    assert moved > 0


class _Threaded:
    """A link between two trainings in two threads."""

    def __init__(
        self, rank: int, sums: list[Any], gate: threading.Barrier, notes: Queue[tuple[float, str] | None]
    ) -> None:
        self.rank, self.count, self.sums, self.gate, self.notes = rank, 2, sums, gate, notes

    def tell(self, rate: float, note: str = "") -> None:
        self.notes.put((rate, note))

    def hear(self) -> tuple[float, str] | None:
        return self.notes.get()

    def add(self, parts: list[torch.Tensor]) -> None:
        self.sums[self.rank] = [part.clone() for part in parts]
        self.gate.wait(30)
        total = [one + other for one, other in zip(*self.sums, strict=True)]
        self.gate.wait(30)
        torch._foreach_copy_(parts, total)


@pytest.mark.parametrize("settings", [SETTINGS["gdas"], MixtureSettings(stages=(Stage(), Stage(options=2)))])
def test_two_processes_make_the_same_steps(stripes: Task, settings: MixtureSettings) -> None:
    one, other = training(stripes, settings), training(stripes, settings)
    gate, sums, notes = threading.Barrier(2), [None, None], Queue[tuple[float, str] | None]()
    follower = threading.Thread(target=lambda: other.follow(_Threaded(1, sums, gate, notes)), daemon=True)
    follower.start()
    link = _Threaded(0, sums, gate, notes)
    one.advance(join=lambda: link)
    notes.put(None)
    follower.join(30)
    assert not follower.is_alive() and one.stage == other.stage
    assert torch.equal(one.relaxed.logits.values, other.relaxed.logits.values)
    mine, theirs = dict(one.relaxed.named_parameters()), dict(other.relaxed.named_parameters())
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_gradients_of_all_stages_have_room(stripes: Task) -> None:
    """Who joins in the first stage stays in the next, which may be larger, and in the last, which may be smaller."""
    stages = Stage(), Stage(options=3, channels=1, deeper=2), Stage(options=2, channels=2)
    space = make_space("nb201", stripes.signature, width=16, depth=1)
    made, sizes = training(stripes, MixtureSettings(Relaxation(channels=4), stages=stages), space=space), list[int]()
    told = made.numbers
    for stage in range(3):
        made.share = stage / 3
        made._advance_stage()
        assert made.stage == stage
        sizes.append(sum(each.numel() for each in made.relaxed.parameters() if each.requires_grad))
    assert sizes[0] < sizes[2] < sizes[1] <= told == made.numbers
    assert next(iter(made.relaxed.parameters())).device.type == "cpu"


class _Agreeing:
    """A link to a process that has nothing to add."""

    rank, count = 0, 1

    def tell(self, rate: float, note: str = "") -> None:
        pass

    def hear(self) -> tuple[float, str] | None:
        return None

    def add(self, parts: list[torch.Tensor]) -> None:
        pass


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["gumbel", "binary"])
def test_what_a_step_does_not_draw_stays(stripes: Task, kind: str, linked: bool) -> None:
    """Alone or with others: it neither decays nor coasts on what it learned before."""
    made = training(stripes, MixtureSettings(Relaxation(kind), batch_size=8))
    made.link = _Agreeing() if linked else None
    made.advance(2.0)
    before = {name: value.detach().clone() for name, value in made.relaxed.named_parameters()}
    made._one(made._said())
    stayed, moved = 0, 0
    for path, mixed in made.relaxed.named_modules():
        if isinstance(mixed, Mixed):
            runs = made.relaxed.gates()[mixed.choice].runs
            for place, (option, module) in enumerate(mixed.items()):
                for name, value in module.named_parameters():
                    same = torch.equal(value, before[f"{path}.{option}.{name}"])
                    assert same or place in runs
                    stayed, moved = stayed + same, moved + (not same)
    assert stayed and moved
