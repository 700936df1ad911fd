"""Episodes: drawn from classes, the same for the same number, and refused where the data have not enough."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from azora.adapting import Episodes
from azora.errors import TaskError
from azora.tasks import Scaling
from azora.tasks.array import Array

SCALING = Scaling((0.0,), (1.0,))


def marked(classes: int = 6, each: int = 5, side: int = 4) -> tuple[Array, Array]:
    """Rows whose first pixel is their class, the second their number."""
    y = np.repeat(np.arange(classes), each)
    x = np.zeros((len(y), 1, side, side), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = y, 1 + np.arange(len(y))
    return x, np.array([f"class {each}" for each in y])


def test_rows_are_of_their_class_and_none_is_twice() -> None:
    drawn = Episodes(*marked(), 3, 2, 3, SCALING).draw(4)
    assert drawn.x.shape == (6, 1, 4, 4)
    assert drawn.y.tolist() == [0, 1, 2, 0, 1, 2]  # shot by shot
    classes = drawn.x[:3, 0, 0, 0]
    assert len(set(classes.tolist())) == 3
    for x, y in ((drawn.x, drawn.y), (drawn.x_query, drawn.y_query)):
        assert torch.equal(x[:, 0, 0, 0], classes[y])
    rows = torch.cat([drawn.x, drawn.x_query])[:, 0, 0, 1]
    assert len(set(rows.tolist())) == 15


def test_an_episode_is_a_function_of_seed_and_number() -> None:
    first, same = (Episodes(*marked(), 3, 2, 1, SCALING, seed=1) for _ in range(2))
    assert torch.equal(first.draw(3).x, same.draw(3).x)
    assert not torch.equal(first.draw(3).x, first.draw(4).x)
    assert not torch.equal(first.draw(3).x, Episodes(*marked(), 3, 2, 1, SCALING, seed=2).draw(3).x)


def test_values_are_scaled() -> None:
    plain, other = (Episodes(*marked(), 3, 2, 1, scaling).draw(0) for scaling in (SCALING, Scaling((2.0,), (4.0,))))
    torch.testing.assert_close(other.x, (plain.x - 2) / 4)


def test_quarter_turns_are_classes_of_their_own() -> None:
    episodes = Episodes(*marked(classes=2), 8, 2, 0, SCALING, turns=True)
    drawn = episodes.draw(0)  # all classes there are
    seen = set()
    for way in range(8):
        pictures = drawn.x[drawn.y == way][:, 0]
        upright = [turn for turn in range(4) if bool((torch.rot90(pictures, -turn, (1, 2))[:, 0, 1] > 0).all())]
        assert len(upright) == 1
        seen.add((int(pictures.max()) > 5, upright[0]))
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"ways": 9}, "tasks of 9 classes were asked for, and the data have 6"),
        ({"shots": 4}, "class 'class 0' has 5 rows: ask for fewer"),
        ({"ways": 1}, "ways=1 must be at least 2"),
        ({"shots": 0}, "shots=0 must be at least 1"),
    ],
)
def test_what_the_data_do_not_have_is_told_in_a_line(words: dict[str, int], said: str) -> None:
    given = {"ways": 3, "shots": 2, "queries": 2} | words
    with pytest.raises(TaskError, match=said):
        Episodes(*marked(), scaling=SCALING, **given)


def test_only_square_pictures_turn() -> None:
    x, y = marked()
    with pytest.raises(TaskError, match="only square pictures"):
        Episodes(x[:, :, :3], y, 3, 2, 2, SCALING, turns=True)
