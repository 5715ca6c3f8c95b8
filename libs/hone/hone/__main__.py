"""``python -m hone``."""

from hone.cli.main import main

main()
