"""Run the command line by `python -m foretide`."""

from foretide.cli import main

main()
