"""Linear layers that read a flattened map: their columns are channels times places."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from azora.networks.complexity import Shape, run_shapes


class _LastMap(TorchFunctionMode):
    """Remembers the shape of the last (B, C, places…) that any function gave out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = function(*args, **(kwargs or {}))
        if isinstance(given, Tensor) and given.ndim >= 3:
            self.shape = tuple(given.shape[1:])
        return given


def flattened(network: nn.Module, shape: Shape) -> dict[str, Shape]:
    """The places of the map that each linear layer's row was before it was flattened, by the layer's path.

    Layers that read rows which never were a map, or one of a single place, are left out. `network` may be on the meta
    device; its input is (1, *shape).
    """
    found: dict[str, Shape] = {}
    hooks = []
    with _LastMap(shape) as last:

        def look(name: str) -> Callable[..., None]:
            def see(module: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
                if inputs[0].ndim == 2 and prod(last.shape) == module.in_features and prod(last.shape[1:]) > 1:
                    found[name] = last.shape[1:]
                if inputs[0].ndim == 2:
                    last.shape = ()

            return see

        for name, module in network.named_modules():
            if isinstance(module, nn.Linear):
                hooks.append(module.register_forward_pre_hook(look(name)))
        try:
            run_shapes(network, shape)
        finally:
            for hook in hooks:
                hook.remove()
    return found
