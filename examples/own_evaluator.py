"""Judging by something else than the shipped training: here, a few steps on a task of one's own making.

By the command line: `PYTHONPATH=examples azora search digits --evaluator own_evaluator:Steps --trials 20`.
"""

import torch
from torch import nn

import azora
from azora.networks.decide import As
from azora.space import Space
from azora.tasks import SearchData
from azora.trial import Proposal

STEPS = 30


class Steps:
    """Accuracy on search-validation after thirty plain steps. What it is given is decided by its arguments' names."""

    heeds_budget = False  # thirty steps, however long a strategy would train

    def __init__(self, space: Space, data: SearchData, seed: int = 0) -> None:
        self.space, self.data, self.seed = space, data, seed

    def __call__(self, proposal: Proposal) -> dict[str, float]:
        torch.manual_seed(self.seed)
        network = self.space.root.build(As(proposal.architecture))
        optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
        x, y = (torch.from_numpy(each) for each in (self.data.train.x, self.data.train.y))
        for batch in torch.randint(0, len(x), (STEPS, 64)):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[batch] / 16), y[batch]).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            answers = network(torch.from_numpy(self.data.validation.x) / 16).argmax(dim=1)
        return {"accuracy": float((answers.numpy() == self.data.validation.y).mean())}


if __name__ == "__main__":
    result = azora.search("digits", evaluator="own_evaluator:Steps", trials=8, limits=["macs=300k"], out="runs/steps")
    print(result.summary())
