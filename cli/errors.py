"""What can go wrong for the person at the keyboard, each as a sentence with what to do.

CliError             exit status 1: the thing asked for did not happen
├── UsageError       exit status 2: the command was given something it cannot use
├── NotRunning       exit status 1: no cloud answers
└── NotDeployed      exit status 1: a local cloud runs, the service is not deployed to it
"""

from __future__ import annotations


class CliError(Exception):
    """A message for a person: what failed, and what to do about it."""

    status = 1


class UsageError(CliError):
    """The command line names something that cannot be used."""

    status = 2


class NotRunning(CliError):
    """No local cloud answers where one should."""


class NotDeployed(CliError):
    """A local cloud runs, but the service is not deployed to it."""
