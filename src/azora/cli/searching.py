"""`azora search`."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from azora.cli.ending import in_main_thread
from azora.cli.reading import FlipsWord, GroupWord, IgnoreWord, KindWord, LabelWord, SizeWord, SkipBadWord, said
from azora.cli.remembering import KnowledgeWord, NoMemoryWord, memory_of
from azora.clock import process_start
from azora.errors import AzoraError, ConfigError
from azora.job import Job

Repeated = list[str] | None
TaskWord = Annotated[
    str, typer.Argument(help="A task's name, a .csv or .npz file (x_train, y_train …), or a folder of pictures.")
]
BudgetWord = Annotated[str | None, typer.Option(help="Wall-clock time of the run: 60s, 10m, 2h (5m, unless said).")]
SetWord = Annotated[
    Repeated, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the strategy; space.NAME of the space.")
]
LimitWord = Annotated[
    Repeated, typer.Option(metavar="QUANTITY=MOST", help="Hard limit: params=200k, macs=5M, memory=2MB, latency=5ms.")
]
ObjectiveWord = Annotated[
    Repeated, typer.Option(help="Metric to search for: accuracy, f1, loss:min …; with more, such as macs:min, a front.")
]
PrecisionWord = Annotated[
    str, typer.Option(help="measure, float32, float32-channels-last, bf16 or bf16-channels-last.")
]
TargetWord = Annotated[
    str | None, typer.Option(help="Where it will run: onnxruntime, torch-cpu:threads=1 …, or a predictor's file.")
]
RewardWord = Annotated[
    str | None, typer.Option(help="Aim at the one --limit and do not keep it: soft, hard or absolute.")
]
BoostingWord = Annotated[
    bool, typer.Option("--boosting/--no-boosting", help="Let gradient-boosted trees stand beside a table's networks.")
]
EnsembleWord = Annotated[
    int, typer.Option(metavar="N", help="Ship the mean of up to N of what was found, where it is better.")
]
BesideWord = Annotated[
    list[Path] | None, typer.Option(metavar="OUT", help="Another study to draw in the report: random search's.")
]
BaselineWord = Annotated[
    str | None, typer.Option(metavar="random", help="Give half of the search to random search, for comparison.")
]
CarryingWord = Annotated[
    bool, typer.Option("--self-improving", help="The model carries its search, for azora improve on any machine.")
]
PolicyWord = Annotated[
    Repeated,
    typer.Option(metavar="NAME=VALUE", help="A rule of azora improve, carried by the model with its search."),
]


def search(
    task: TaskWord,
    label: LabelWord = None,
    kind: KindWord = None,
    group: GroupWord = None,
    ignore: IgnoreWord = None,
    size: SizeWord = None,
    skip_bad: SkipBadWord = False,
    flips: FlipsWord = None,
    budget: BudgetWord = None,
    trials: Annotated[int | None, typer.Option(help="Number of judgements, instead of or beside a time.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for everything (default: runs/TASK).")] = None,
    space: Annotated[str, typer.Option(help="Search space, or module:Name of your own.")] = "auto",
    strategy: Annotated[str, typer.Option(help="Strategy, or module:Name of your own.")] = "halving",
    evaluator: Annotated[str, typer.Option(help="Evaluator, or module:Name of your own.")] = "trained",
    settings: SetWord = None,
    objective: ObjectiveWord = None,
    limit: LimitWord = None,
    stop_at: Annotated[float | None, typer.Option(help="Stop searching at this validation score.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Worker processes (default: as many as cores).")] = None,
    worker_memory: Annotated[str | None, typer.Option(help="Memory limit of a worker, such as 4GB.")] = None,
    trial_timeout: Annotated[str | None, typer.Option(help="Longest judgement (a quarter of the budget).")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    precision: PrecisionWord = "measure",
    recipe: Annotated[bool, typer.Option(help="Search the training recipe beside the architecture.")] = True,
    target: TargetWord = None,
    reward: RewardWord = None,
    beside: BesideWord = None,
    baseline: BaselineWord = None,
    boosting: BoostingWord = True,
    ensemble: EnsembleWord = 0,
    self_improving: CarryingWord = False,
    policy: PolicyWord = None,
    knowledge: KnowledgeWord = None,
    no_memory: NoMemoryWord = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in OUT.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> int:
    """Design, train and ship a network for TASK within the budget."""
    job = Job.parse(
        task=task, budget=budget, trials=trials, out=out, space=space, strategy=strategy, evaluator=evaluator,
        objective=objective, limits=limit or [], stop_at=stop_at, seed=seed, workers=workers, recipe=recipe,
        worker_memory=worker_memory, trial_timeout=trial_timeout, device=device, precision=precision, resume=resume,
        beside=beside or [], baseline=baseline, target=target, reward=reward, boosting=boosting, ensemble=ensemble,
        knowledge=memory_of(knowledge, no_memory), policy=policy_of(self_improving, policy), **_told(settings),
        reading=said(label, kind, group, ignore, size, skip_bad, flips),
    )  # fmt: skip
    return _run(job, quiet, as_json)


def _run(job: Job, quiet: bool, as_json: bool) -> int:
    started = process_start()
    from azora.cli.progress import watcher  # rich is wanted only here
    from azora.executors.processes import spawn

    spawned = spawn(job.workers)  # they import torch while we do
    from azora.automl.run import run

    with interruptible() as stop:
        try:
            result = run(job, started=started, stop=stop, watch=watcher(quiet=quiet), spawned=spawned)
        except AzoraError as error:
            if not stop.is_set():
                raise
            sys.stderr.write(f"azora: {error}\n")  # nothing was judged, and the reason is the user's own
            return 130
    sys.stdout.write((json.dumps(result.figures) if as_json else result.summary()) + "\n")
    return 130 if stop.is_set() else 0


def _told(settings: Repeated) -> dict[str, Any]:
    """What `--set` says, as a job takes it."""
    of_strategy, of_space = _settings(settings or [])
    return {"strategy_settings": of_strategy, "space_settings": of_space}


def _settings(texts: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`--set population=20 --set space.nodes=4` as settings of the strategy and of the space."""
    of_strategy: dict[str, Any] = {}
    of_space: dict[str, Any] = {}
    for name, value in read_settings(texts).items():
        owner, name = (of_space, name.removeprefix("space.")) if name.startswith("space.") else (of_strategy, name)
        owner[name] = value
    return of_strategy, of_space


def policy_of(self_improving: bool, texts: Repeated) -> dict[str, Any] | None:
    """Settings of the policy that the model is to carry; None, where it is to carry nothing."""
    return read_settings(texts or []) if self_improving or texts else None


def read_settings(texts: list[str]) -> dict[str, Any]:
    """`population=20` by name; values are JSON, and words where they are not.

    Raises:
        ConfigError: it is not of that form.
    """
    read: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"setting {text!r} is not of the form name=value")
        try:
            read[name] = json.loads(value)
        except json.JSONDecodeError:
            read[name] = value
    return read


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event: finish with the best so far. The second stops at once.

    Outside of the main thread, which alone hears of signals, nothing sets it."""
    stop = threading.Event()
    if not in_main_thread():
        yield stop
        return

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        sys.stderr.write("azora: finishing with the best so far; Ctrl-C again stops at once\n")

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
