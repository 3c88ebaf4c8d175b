"""What can go wrong with the stack.

StackError
├── PackageFailed     Chalice could not package, or the package is not pure Python
├── DeployFailed      CloudFormation refused the stack; the message holds its reasons
└── DestroyRefused    something still serves; the caller asks a person first
"""

from __future__ import annotations


class StackError(Exception):
    """Root of the tree. `str(error)` says what to do."""


class PackageFailed(StackError):
    pass


class DeployFailed(StackError):
    pass


class DestroyRefused(StackError):
    pass
