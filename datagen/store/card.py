"""The dataset card: what `publish` uploads and what a reader of the folder sees first."""

from collections.abc import Mapping


def dataset_card(*, title: str, command: str, folders: Mapping[str, str], facts: Mapping[str, int | str]) -> str:
    """A Markdown card with the Hub's YAML header.

    Args:
        title: what the dataset is.
        command: the command line that made it.
        folders: sub-folder -> what it holds.
        facts: name -> number, as counted by the run itself.
    """
    rows = "\n".join(
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |"
        for name, value in facts.items()
    )
    listed = "\n".join(f"- `{name}/`: {text}" for name, text in folders.items())
    return f"""---
pretty_name: {title}
task_categories:
- text-generation
tags:
- datagen
- reasoning
---
# {title}

Made by `datagen` with

    {command}

| | |
|---|---|
{rows}

{listed}

Open it with `datasets.load_from_disk("data")`. `manifest.json` has the configuration, the versions, the fingerprints
of the inputs, and what was dropped and why.
"""
