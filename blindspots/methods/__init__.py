"""The traversal methods, by the names the command line uses."""

from blindspots.methods.base import Method
from blindspots.methods.paper import Paper
from blindspots.methods.reference import Reference

METHODS: dict[str, type[Method]] = {method.name: method for method in (Paper, Reference)}
DEFAULT_METHOD = Reference.name
