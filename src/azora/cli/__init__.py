"""The command line: a table of functions. Imports torch only in what trains."""

from azora.cli.main import main

__all__ = ["main"]
