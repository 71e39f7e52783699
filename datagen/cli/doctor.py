"""`datagen doctor`."""

from typing import Any

import click

from datagen.cli.show import emit, table


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
def command(as_json: bool) -> None:
    """Say what is installed, which backends and devices can work, and which keys are set (never their values).

    \b
    Example: datagen doctor
    """
    from datagen.runs.doctor import examine

    found: dict[str, Any] = examine()  # Any: JSON

    def show() -> None:
        for section, values in found.items():
            table(section, ("", ""), [(name, str(value)) for name, value in values.items()])
            click.echo()

    emit(found, as_json=as_json, show=show)
