"""The `datagen` command: finds a subcommand's module only when it is needed, and turns errors into exit codes."""

import importlib
import sys

import click

from datagen import __version__
from datagen.cli.printable import printable
from datagen_schemas.errors import DatagenError

# name -> module that defines it, in the order of a day's work; imported one by one so that --help stays quick.
COMMANDS = {
    "demo": "datagen.cli.demo",
    "sample": "datagen.cli.sample",
    "rft": "datagen.cli.rft",
    "rank": "datagen.cli.rank",
    "judge-check": "datagen.cli.judge_check",
    "review": "datagen.cli.review",
    "augment": "datagen.cli.augment",
    "corrupt": "datagen.cli.corrupt",
    "groups": "datagen.cli.groups",
    "examples": "datagen.cli.examples",
    "mix": "datagen.cli.mix",
    "split": "datagen.cli.split",
    "decontaminate": "datagen.cli.decontaminate",
    "train": "datagen.cli.train",
    "eval": "datagen.cli.evaluate",
    "stats": "datagen.cli.stats",
    "report": "datagen.cli.report",
    "validate": "datagen.cli.validate",
    "trace": "datagen.cli.trace",
    "publish": "datagen.cli.publish",
    "schema": "datagen.cli.schema",
    "doctor": "datagen.cli.doctor",
    "completion": "datagen.cli.completion",
}


class Datagen(click.Group):
    """Commands by name, and one line for whatever goes wrong in the world."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion for a mistyped name."""
        from difflib import get_close_matches

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else " See: datagen --help"
            ctx.fail(f"no command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. Exit codes: 1 a clear error, 130 interrupted; 3 (finished but short) is the command's own."""
        try:
            return super().invoke(ctx)
        except DatagenError as error:
            click.secho(f"datagen: {printable(str(error))}", fg="red", err=True)
            ctx.exit(1)
        except PermissionError as error:
            line = f"{error.filename}: {error.strerror}. Change its rights, or name another place."
            click.secho(f"datagen: {printable(line)}", fg="red", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.secho("datagen: interrupted. Run the same command again to continue.", fg="yellow", err=True)
            ctx.exit(130)


@click.group(
    cls=Datagen,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 119},
    epilog="Every option NAME can be set for good as DATAGEN_NAME. Exit codes: 0 done, 1 error, 2 wrong usage, "
    "3 finished but some rows failed, 130 interrupted (run again to continue).",
)
@click.version_option(__version__, prog_name="datagen")
def main() -> None:
    """Turn word problems into verified, deduplicated training data for reasoning models, and train on it."""


if __name__ == "__main__":
    sys.exit(main())
