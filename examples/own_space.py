"""A search space of your own: ordinary PyTorch, with a question wherever something is to be decided.

`azora search digits --space own_space:Plain` searches it too, from the folder that holds this file.
"""

from torch import nn

import azora
from azora.space import Categorical, Space, When
from azora.tasks import Signature


class Plain(Space):
    """One to three convolutions, their width, and what comes after each."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        choices = [Categorical("layers", (1, 2, 3)), Categorical("width", (8, 16, 32))]
        for layer in (0, 1, 2):
            exists = (When("layers", tuple(range(layer + 1, 4))),)
            choices.append(Categorical(f"after_{layer}", ("relu", "gelu"), exists))
        super().__init__("plain", choices)

    def build(self, decide) -> nn.Module:
        channels, width, layers = self.signature.shape[0], decide.number("width"), []
        for layer in range(decide.number("layers")):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers.append(decide.module(f"after_{layer}", lambda name: nn.ReLU() if name == "relu" else nn.GELU()))
            channels = width
        # The layers are a module of their own, so that what follows has one place however many there are.
        head = nn.Linear(4 * width, self.signature.outputs)
        return nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(2), nn.Flatten(), head)


if __name__ == "__main__":
    result = azora.search("digits", space="own_space:Plain", trials=3, limits=["macs=1M"], out="runs/own_space")
    print(f"{result.test_accuracy:.3f} on the test split with {result.parameters:,} parameters")
