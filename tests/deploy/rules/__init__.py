"""The guidance, rule by rule: each says what is against it in some objects, and knows how to break itself.

A rule is a generator of faults. `breaks` beside it changes the objects of a manifest such that they are against the
rule; it returns False where they have nothing to be broken.
"""

from rules import identity, operation, resources, security, sidecar
from rules.rule import RULES

__all__ = ["RULES", "identity", "operation", "resources", "security", "sidecar"]
