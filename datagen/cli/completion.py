"""`datagen completion`."""

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes commands and options in a shell.

    \b
    Example: datagen completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from datagen.cli.main import main

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "datagen", "_DATAGEN_COMPLETE").source())
