"""Trouble on demand: what AWS does on its bad days, when somebody asks for it.

Nothing but the standard library: MiniStack's interpreter uses it as well.
"""

from localcloud.trouble.kinds import KINDS, SPARED, BadRule, KindOfTrouble, Rule
from localcloud.trouble.rules import Rules

__all__ = ["KINDS", "SPARED", "BadRule", "KindOfTrouble", "Rule", "Rules"]
