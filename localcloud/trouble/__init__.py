"""Trouble on demand: what AWS does on its bad days, when somebody asks for it."""

from localcloud.trouble.rules import Rule, Rules

__all__ = ["Rule", "Rules"]
