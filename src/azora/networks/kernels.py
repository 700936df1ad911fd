"""Learned ways from a convolution's large kernel to the smaller one in its centre."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import final

import torch
from torch import Tensor, nn

Size = tuple[int, ...]  # of a kernel, in each direction


@final
class KernelTransforms(nn.Module):
    """For each convolution of elastic kernel a matrix from every size to the next smaller one, the identity at first.

    A small kernel is that matrix times the centre of the larger one, over all channels alike; from 7 to 3 by way of 5
    (Cai et al., 2020: Once-for-All).

    Args:
        sizes: the kernels that occur, by the convolution's path.
    """

    def __init__(self, sizes: Mapping[str, Iterable[Size]]) -> None:
        super().__init__()
        self.sizes = {path: sorted(set(each), reverse=True) for path, each in sizes.items()}
        for path, (_, *smaller) in self.sizes.items():
            for size in smaller:
                self.register_parameter(_name(path, size), nn.Parameter(torch.eye(prod(size))))

    def steps(self, path: str, size: Size) -> list[tuple[str, Size]]:
        """The matrices by name, with the sizes that they give, from the largest kernel to `size`; none for itself."""
        known = self.sizes.get(path, [])
        if size not in known:
            return []
        return [(_name(path, each), each) for each in known[1 : known.index(size) + 1]]


def transform(kernel: Tensor, steps: Iterable[tuple[Tensor, Size]]) -> Tensor:
    """(C, D, …) → (C, D, *size) of the last step: the centre, times the step's matrix, for every step."""
    for matrix, size in steps:
        begins = [(large - small) // 2 for large, small in zip(kernel.shape[2:], size, strict=True)]
        for place, (begin, small) in enumerate(zip(begins, size, strict=True)):
            kernel = kernel.narrow(place + 2, begin, small)
        kernel = (kernel.flatten(2) @ matrix.T).reshape(*kernel.shape[:2], *size)
    return kernel


def _name(path: str, size: Size) -> str:
    return f"{path.replace('.', '/')}→{'x'.join(map(str, size))}"
