import json

import pytest

from datagen.cli.show import emit, table


def test_names_out_of_files_neither_mark_up_a_table_nor_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table("[red]by model", ("model", "n"), [("a\x1b[2J\x9b[bold]b[/nothing]", "3")])
    printed = capsys.readouterr().out
    assert "[red]by model" in printed
    assert "a\\x1b[2J\\x9b[bold]b[/nothing]" in printed
    assert "\x1b" not in printed


def test_json_for_machines_means_the_same_and_has_no_raw_control_character(
    capsys: pytest.CaptureFixture[str],
) -> None:
    value = {"model": "a\x1b\x9b\u202eb"}
    emit(value, as_json=True, show=lambda: None)
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert printed.rstrip("\n").isascii()
