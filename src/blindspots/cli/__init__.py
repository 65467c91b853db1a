"""The command line: one small file a group of commands; torch is imported inside commands only."""

from blindspots.cli.main import main

__all__ = ["main"]
