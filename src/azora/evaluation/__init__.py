"""Evaluators: they judge a proposal, by training it or otherwise."""

from azora.evaluation.evaluator import EVALUATORS, Evaluator, make_evaluator

__all__ = ["EVALUATORS", "Evaluator", "make_evaluator"]
