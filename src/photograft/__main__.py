"""``python -m photograft``."""

from photograft.interfaces.cli.main import main

main()
