"""`python -m blindspots` is `blindspots`."""

from blindspots.cli import main

main()
