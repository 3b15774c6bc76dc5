"""``python -m photograft``."""

from photograft.cli import main

main()
