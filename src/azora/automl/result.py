"""What a search gives back."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azora.clock import show_seconds
from azora.errors import StudyError

if TYPE_CHECKING:
    import numpy as np

    from azora.model import Model

MOST_LINES = 10
ALIKE = 0.9  # of the winner's time of training, and a usual network had as long a one
SHOWN = (
    ("test accuracy", "test_accuracy", ".4f"),
    ("validation accuracy", "validation_accuracy", ".4f"),
    ("test R²", "test_r2", ".4f"),
    ("test RMSE", "test_rmse", ".4g"),
    ("parameters", "parameters", ",d"),
    ("multiply-accumulates", "macs", ",d"),
    ("networks judged", "judged", ",d"),
)


@dataclass(frozen=True)
class Result:
    """The figures of a finished search, and where its files are. Figures are attributes too."""

    out: Path
    figures: Mapping[str, Any]

    @classmethod
    def read(cls, out: Path | str) -> Result:
        """The result that a search wrote into its folder.

        Raises:
            StudyError: there is none, or it is damaged.
        """
        file = Path(out) / "result.json"
        if not file.is_file():
            raise StudyError(f"{out} holds no result: there is no {file.name} in it, which a search writes at its end")
        try:
            figures = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudyError(f"{file} cannot be read: {error}") from error
        if not isinstance(figures, dict):
            raise StudyError(f"{file} is no result of a search")
        return cls(Path(out), figures)

    def write(self) -> None:
        """Write the figures into its folder, at once or not at all."""
        part = self.out / ".result.json.part"
        part.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")
        part.replace(self.out / "result.json")

    @cached_property
    def model(self) -> Model:
        """The trained network, ready to predict."""
        from azora.model import Model

        return Model.load(self.out)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Labels or values for raw inputs as the task has them, (N, H, W[, C]), (N, C, H, W) or (N, F)."""
        return self.model.predict(x)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities, (N, classes), of a classifier."""
        return self.model.predict_proba(x)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.figures:
            raise AttributeError(f"a result has no {name!r}; it has {', '.join(sorted(self.figures))}")
        return self.figures[name]

    def summary(self) -> str:
        """A few lines for a terminal."""
        lines = [f"{title:<22}{self.figures[name]:{form}}" for title, name, form in SHOWN if name in self.figures]
        lines.extend(self._target())
        if (beside := self.figures.get("reference")) is not None:
            name = beside["metric"]
            # Where nearly nothing was left of the time, the reference had less than the winner, and it is said.
            epochs, seconds = (self.figures[f"final_{name}"] for name in ("epochs", "seconds"))
            alike = epochs and (beside["seconds"] > ALIKE * seconds or beside["epochs"] > ALIKE * epochs)
            training = "as long a training" if alike else show_seconds(beside["seconds"])
            lines.append(
                f"{'a usual network':<22}{beside[f'test_{name}']:.4f} test {name} after {training}, with"
                f" {beside['parameters']:,} parameters: {beside['gain']:+.4f} is gained"
                f" ({beside['gain_low']:+.4f} to {beside['gain_high']:+.4f})"
            )
        if (boosting := self.figures.get("boosting")) is not None:
            lines.append(f"{'gradient boosting':<22}{boosting['says']}")
        if (ensemble := self.figures.get("ensemble")) is not None:
            parts = ", ".join(f"{each['share']:.2f} {each['of']} {each['key'][:8]}" for each in ensemble["members"])
            lines.append(f"{'ensemble':<22}{parts}; {self.figures.get('onnx_bytes', 0):,} bytes as ONNX")
        if recalled := self.figures.get("recalled"):
            told = ", ".join(f"{each['task']} ({each['networks']:,} networks)" for each in recalled)
            lines.append(f"{'begun from memory of':<22}{told}")
        lines.append(f"{'time':<22}{show_seconds(self.figures['seconds'])}")
        lines.extend(self._front())
        if (beside := self.figures.get("baseline")) is not None:
            cost = show_seconds(beside["cost"]) if beside["unit"] == "seconds" else f"{beside['cost']:.0f} judgements"
            said = f"{beside['random']:.4f} against the search's {beside['search']:.4f}, {beside['metric']}"
            lines.append(f"{'random search':<22}{said}, after {cost} each")
        if said := self.figures.get("relaxed", {}).get("says"):
            lines.append(f"{'the mixture':<22}{said}")
        lines.extend(f"{'note':<22}{note}" for note in self.figures.get("notes", ()))
        if "onnx_error" in self.figures:
            lines.append(f"{'no ONNX file':<22}{self.figures['onnx_error']}")
        lines.extend(self._deployed())
        lines.append(f"{'model':<22}{self.out / 'model'}")
        lines.append(f"{'report':<22}{self.out / 'report.html'}")
        return "\n".join(lines)

    def _target(self) -> Iterator[str]:
        if (target := self.figures.get("target")) is None:
            return
        if "latency_ms" in target:
            said = f"{target['latency_ms']:.4g} ms on {target['spec']}"
            said += f", {target['energy_mj']:.4g} mJ" if "energy_mj" in target else ""
            size = f", {target['bytes']:,} bytes" if "bytes" in target else ""
            yield f"{'measured':<22}{said}{size}; predicted {target['predicted_latency_ms']:.4g} ms"
        else:
            yield f"{'predicted':<22}{target['predicted_latency_ms']:.4g} ms on {target['spec']}"

    def _deployed(self) -> Iterator[str]:
        """The file that ships, and what it is worth where it will run."""
        if (deployed := self.figures.get("deployed")) is None:
            return
        said = [f"{deployed['file']}", f"{deployed['bytes']:,} bytes"]
        if (on := deployed.get("on_target")) is not None:
            said.append(f"{on['latency_ms']:.4g} ms on {on['spec']}")
        said += [
            f"{title} {deployed[name]:{form}}"
            for title, name, form in SHOWN
            if name.startswith("test_") and name in deployed
        ]
        if "drop" in deployed:
            said.append(f"{deployed['drop']:+.2f} points lost on validation")
        yield f"{'deployed':<22}{', '.join(said)}"

    def _front(self) -> Iterator[str]:
        if (front := self.figures.get("front")) is None:
            return
        objectives = self.figures["objectives"]
        told = [f"{each['key']}: {', '.join(f'{name} {each[name]:,.4g}' for name in objectives)}" for each in front]
        for place, line in enumerate(told[:MOST_LINES]):
            yield f"{'front' if not place else '':<22}{line}"
        if len(front) > MOST_LINES:
            yield f"{'':<22}and {len(front) - MOST_LINES} more in result.json"
        for each, line in zip(front, told, strict=True):
            if each["key"] == self.figures.get("knee"):
                yield f"{'its knee':<22}{line}"
        yield f"{'its hypervolume':<22}{self.figures['hypervolume']:.4g}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(title)}</th><td>{self.figures[name]:{form}}</td></tr>"
            for title, name, form in SHOWN
            if name in self.figures
        )
        where = html.escape(str(self.out))
        return f"<table><caption>azora: {html.escape(str(self.figures['key']))} in {where}</caption>{rows}</table>"
