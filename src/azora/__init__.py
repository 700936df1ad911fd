"""azora designs neural networks: give it data, a device and a budget; it returns a network of its own design."""

from __future__ import annotations

__version__ = "0.1.0"
