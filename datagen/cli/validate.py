"""`datagen validate`."""

from pathlib import Path

import click

from datagen.cli.show import emit


@click.command("validate")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--record", help="Name of the record; told from the columns if not given (see: datagen schema).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(path: Path, record: str | None, as_json: bool) -> None:
    """Check every row of a dataset, and a run's row counts against its manifest.

    \b
    Example: datagen validate runs/rft
    """
    from datagen.store.validate import validate

    found = validate(path, record=record)

    def show() -> None:
        for part in found:
            click.echo(f"{part.folder}: {part.rows:,} rows of {part.record}, all valid")

    emit({"datasets": [part._asdict() | {"folder": str(part.folder)} for part in found]}, as_json=as_json, show=show)
