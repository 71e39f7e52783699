"""`python -m datagen` is the `datagen` command."""

from datagen.cli.main import main

main(prog_name="datagen")
