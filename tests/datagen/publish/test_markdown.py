from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from datagen.publish.markdown import code, fence, plain, table

PIECES = [*"`~-|<>\\[]()*_#!&$ \n\r\t'\"ab:/", "\u202e", "\u2028", "\x00", "---", "```", "\n# ", "</td>", "|\n|"]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@settings(deadline=None, max_examples=300)
@given(HOSTILE)
@example("```\n# out\n```")
@example("````\n</details><script>alert(1)</script>")
@example("\n---\nlicense: mit\n---\n")
def test_nothing_leaves_a_fence(text: str) -> None:
    tokens = MarkdownIt().parse(fence(text))
    assert [token.type for token in tokens] == ["fence"]


@settings(deadline=None, max_examples=300)
@given(HOSTILE)
def test_nothing_leaves_a_table(text: str) -> None:
    made = table(("a", "b"), [(code(text), plain(text)), ("x", "1")])
    tokens = MarkdownIt().enable("table").parse(made)
    assert [token.type for token in tokens if token.level == 0] == ["table_open", "table_close"]
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert sum(token.type == "td_open" for token in tokens) == 4
    inline = [child.type for token in tokens for child in token.children or ()]
    assert set(inline) <= {"text", "code_inline", "text_special", "softbreak"}


def test_marks_that_reorder_or_hide_text_are_written_out() -> None:
    assert fence("a\u202eb\u200bc\x1b[31m") == "```text\na\\u202eb\\u200bc\\u001b[31m\n```"


def test_numbers_stand_to_the_right() -> None:
    assert table(("a", "n"), [("x", "1,000"), ("y", "2")]).splitlines()[1] == "| --- | ---: |"
