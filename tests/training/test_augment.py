"""Pictures turned, moved, mirrored and blanked."""

from __future__ import annotations

import pytest
import torch

from azora.tasks import Task
from azora.training import Mode, RecipeSettings, augment
from azora.training.augment import blank, gather, warp
from azora.training.batches import Batches


def pictures(count: int = 64, side: int = 8, channels: int = 2) -> torch.Tensor:
    """Every pixel of every picture has a value of its own."""
    return torch.arange(count * side * side * channels).reshape(count, side, side, channels)


def test_without_changes_rows_are_rows() -> None:
    kept = pictures()
    rows = torch.tensor([5, 3, 5])
    assert torch.equal(gather(kept, rows, flip=False), kept[rows])


def test_nothing_is_warped_without_strength_and_what_is_even_stays_so() -> None:
    kept = pictures(4).permute(0, 3, 1, 2).float()
    assert warp(kept, 0.0) is kept
    assert torch.allclose(warp(torch.full((4, 1, 6, 9), 7.0), 1.0), torch.full((4, 1, 6, 9), 7.0))


def test_a_spot_moves_within_an_eighth_and_each_picture_goes_its_own_way() -> None:
    spots = torch.zeros(256, 1, 33, 33)
    spots[:, :, 15:18, 15:18] = 1.0
    warped = warp(spots, 1.0)[:, 0]
    weight = warped.sum(dim=(1, 2))
    places = torch.arange(33.0) - 16
    down = (warped.sum(dim=2) * places).sum(dim=1) / weight
    across = (warped.sum(dim=1) * places).sum(dim=1) / weight
    for moved in (down, across):
        assert 3.0 < float(moved.abs().max()) < 33 / 8 * 1.2 * 1.35  # what is stretched and turned is moved with it
        assert abs(float(moved.mean())) < 0.6
        assert len(moved.unique()) == 256


def test_a_bar_is_turned_by_up_to_twenty_degrees() -> None:
    bars = torch.zeros(256, 1, 33, 33)
    bars[:, :, 16, :] = 1.0
    rows = torch.arange(33.0)[:, None]
    warped = warp(bars, 1.0)[:, 0]
    middle = (warped * rows).sum(dim=1) / warped.sum(dim=1).clamp(min=1e-6)
    slopes = (middle[:, 20] - middle[:, 12]) / 8
    assert 0.25 < float(slopes.abs().max()) < 0.364 * 1.2 / 0.8 + 0.05  # the tangent of 20 degrees, stretched


@pytest.mark.parametrize(("height", "width"), [(25, 75), (75, 25)])
def test_a_spot_keeps_its_distance_when_a_picture_that_is_not_square_is_turned(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "ZOOM", 0.0)
    monkeypatch.setattr(augment, "MOVE", 0.0)
    spots = torch.zeros(64, 1, height, width)
    long, middle = max(height, width), min(height, width) // 2
    (spots if width == long else spots.transpose(2, 3))[:, :, middle - 1 : middle + 2, 57:60] = 1.0
    warped = warp(spots, 1.0)[:, 0]
    weight = warped.sum(dim=(1, 2))
    down = (warped.sum(dim=2) * (torch.arange(float(height)) - (height - 1) / 2)).sum(dim=1) / weight
    across = (warped.sum(dim=1) * (torch.arange(float(width)) - (width - 1) / 2)).sum(dim=1) / weight
    distance = (down.square() + across.square()).sqrt()
    assert torch.allclose(distance, torch.full((64,), 21.0), atol=0.2)
    off = (down if width == long else across).abs()
    assert 5.0 < float(off.max()) < 7.3  # 21 times the sine of 20 degrees


def test_mirrors_about_half_of_them() -> None:
    kept = pictures()
    turned = gather(kept, torch.arange(64), flip=True)
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


def test_a_batch_is_warped_or_blanked_in_turns(stripes: Task) -> None:
    recipe = RecipeSettings(batch_size=16, augmentation=1.0)
    batches = Batches(stripes.train, stripes.signature, stripes.scaling, 16, mode=Mode())
    known = set(batches.plain(slice(None)).flatten().tolist()) | {0.0}
    sharp = [set(batches.batch(step, recipe)[0].flatten().tolist()) <= known for step in range(1000, 1006)]
    assert sharp == [False, True] * 3
