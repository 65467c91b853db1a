"""The command line: one small file a group of commands; torch is imported inside commands only."""

from blindspots.cli.app import main

__all__ = ["main"]
