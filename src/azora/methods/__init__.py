"""Recipes in phases: weights that are shared, a search that judges by them, and short trainings that decide."""

from azora.methods.method import Method, Work
from azora.methods.registry import METHODS, find_method

__all__ = ["METHODS", "Method", "Work", "find_method"]
