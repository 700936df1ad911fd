"""Evaluators: they judge a proposal, by training it or otherwise."""

from azora.evaluation.evaluator import EVALUATORS, Evaluator, heeds_budget, make_evaluator
from azora.evaluation.inherited import Inherited

__all__ = ["EVALUATORS", "Evaluator", "Inherited", "heeds_budget", "make_evaluator"]
