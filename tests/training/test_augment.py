"""Pictures moved, mirrored and blanked."""

from __future__ import annotations

import torch

from azora.tasks import Task
from azora.training import Mode, RecipeSettings
from azora.training.augment import blank, gather
from azora.training.batches import Batches


def pictures(count: int = 64, side: int = 8, channels: int = 2) -> torch.Tensor:
    """Every pixel of every picture has a value of its own."""
    return torch.arange(count * side * side * channels).reshape(count, side, side, channels)


def test_without_changes_rows_are_rows() -> None:
    kept = pictures()
    rows = torch.tensor([5, 3, 5])
    assert torch.equal(gather(kept, rows, shift=0, flip=False), kept[rows])


def test_moves_by_up_to_so_many_pixels_and_repeats_the_border() -> None:
    kept = pictures()
    moved = gather(kept, torch.arange(64), shift=2, flip=False)
    offsets = set()
    for before, after in zip(kept, moved, strict=True):
        at = (before[..., 0] == after[4, 4, 0]).nonzero()[0]
        offsets.add((int(at[0]) - 4, int(at[1]) - 4))
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())
    assert max(max(map(abs, offset)) for offset in offsets) == 2
    assert len(offsets) > 10


def test_mirrors_about_half_of_them() -> None:
    kept = pictures()
    turned = gather(kept, torch.arange(64), shift=0, flip=True)
    mirrored = [torch.equal(after, before.flip(1)) for before, after in zip(kept, turned, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(kept, turned, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 16 < sum(mirrored) < 48


def test_blanks_one_square_of_each_at_most_so_large() -> None:
    blanked = blank(torch.ones(64, 3, 8, 8), 4)
    holes = (blanked == 0).all(dim=1).sum(dim=(1, 2))
    assert int(holes.max()) == 16
    assert int(holes.min()) >= 1
    assert torch.equal(blank(torch.ones(2, 3, 8, 8), 0), torch.ones(2, 3, 8, 8))


def test_augmentation_grows_over_the_first_epochs(stripes: Task) -> None:
    recipe = RecipeSettings(batch_size=16, augmentation=1.0)
    batches = Batches(stripes.train, stripes.signature, stripes.scaling, 16, mode=Mode())
    plain = {tuple(row.flatten().tolist()) for row in batches.plain(slice(None))}

    def changed(step: int) -> int:
        return sum(tuple(row.flatten().tolist()) not in plain for row in batches.batch(step, recipe)[0])

    late = 10 * batches.steps + 1
    assert changed(0) == 0
    assert changed(late) > 8
    assert torch.equal(batches.batch(late, recipe)[0], batches.batch(late, recipe)[0])
