"""`datagen schema`."""

import click

# Named here and not taken from the catalogue, which needs pydantic: --help of every command would pay for it.
# A test compares the two.
NAMES = (
    "problem",
    "candidate",
    "rating",
    "ranked-group",
    "alignment-group",
    "preference",
    "example",
    "augmented",
    "mixed-example",
    "mixed-group",
    "mixed-preference",
    "near-duplicate",
    "rejected-question",
    "augmentation-count",
    "provenance",
)


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES))
@click.option("--arrow", is_flag=True, help="The Arrow schema instead of JSON Schema.")
def command(name: str, arrow: bool) -> None:
    """Print the JSON Schema of a record.

    \b
    Example: datagen schema candidate
    """
    import json

    from datagen_schemas.arrow import arrow_schema
    from datagen_schemas.catalog import RECORDS

    record = RECORDS[name]
    click.echo(arrow_schema(record).to_string() if arrow else json.dumps(record.model_json_schema(), indent=2))
