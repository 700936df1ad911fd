"""Operations: every block once, by name."""

from azora.operations import connection, pooling
from azora.operations.catalogue import DEFAULT_OPERATIONS, OPERATIONS, make_operation, operation
from azora.operations.connection import FactorizedReduction, Zero
from azora.operations.convolution import Convolution, conv

__all__ = [
    "DEFAULT_OPERATIONS",
    "OPERATIONS",
    "Convolution",
    "FactorizedReduction",
    "Zero",
    "connection",
    "conv",
    "make_operation",
    "operation",
    "pooling",
]
