"""The parts of a differentiable search by hand: a mixture of your own space, its training, what it favours.

`azora search digits --strategy gdas --space own_space:Plain` does all of it, within a budget.
"""

from own_space import Plain

from azora.networks.derivation import Derivation
from azora.networks.relaxation import Relaxation
from azora.tasks import load_task
from azora.training.fit_mixture import MixtureTraining
from azora.training.mixture_settings import MixtureSettings

if __name__ == "__main__":
    data = load_task("digits").search_data
    # Numbers cannot be mixed: hold them, and what is left is what comes after each of three layers.
    space = Plain(data.signature).constrain(None, "numbers are held", layers=3, width=16)
    settings = MixtureSettings(Relaxation("gumbel"))  # one path a step; "softmax" would run them all
    training = MixtureTraining(space, data.train, data.signature, data.scaling, settings, epochs=3)
    training.advance()
    for choice, weights in training.strengths().items():
        shares = zip(training.relaxed.options[choice], weights.tolist(), strict=True)
        print(choice, ", ".join(f"{option} {share:.2f}" for option, share in shares))
    favoured = Derivation(space, training.relaxed.options).strongest(training.strengths())
    print(dict(favoured))
