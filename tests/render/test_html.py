"""The toolkit escapes, nests and survives what is put into it."""

from __future__ import annotations

import pytest

from vzlab.render import html
from vzlab.render.html import Box, Cell, Markup, element, escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<b>", "&lt;b&gt;"),
        ("a & b", "a &amp; b"),
        ("\"x\" 'y'", "&quot;x&quot; &#x27;y&#x27;"),
        ("</script>", "&lt;/script&gt;"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("bell\x07", "bell�"),
        ("lone \ud800", "lone �"),
        ("turned \u202etxet", "turned �txet"),
        ("ÄÖ 海面", "ÄÖ 海面"),
    ],
)
def test_text_is_escaped(text, escaped):
    assert escape(text) == escaped


def test_markup_is_left_alone_and_joined_text_is_not():
    assert escape(Markup("<b>x</b>")) == "<b>x</b>"
    assert type(Markup("<b>") + "<i>") is str
    assert escape(Markup("<b>") + "<i>") == "&lt;b&gt;&lt;i&gt;"


def test_an_attribute_cannot_be_left():
    assert element("img", alt='" onerror="x') == '<img alt="&quot; onerror=&quot;x">'
    assert element("p", style='a"b') == '<p style="a&quot;b"></p>'


def test_empty_attributes_are_left_out_and_bare_ones_are_bare():
    assert element("details", open=True, title=None, class_="a") == '<details open class="a"></details>'
    assert element("details", open=False) == "<details></details>"


def test_content_may_be_nested_or_nothing():
    assert escape(["a", None, ("<", [Markup("<br>"), 3, 0.5])]) == "a&lt;<br>30.5"


def test_join_leaves_out_what_is_empty():
    assert html.join(["a", None, "", "<"], ", ") == "a, &lt;"


def test_facts_without_a_value_are_left_out():
    made = html.facts([("a", "1"), ("b", ""), ("c", None)])
    assert made.count("<dt") == 1
    assert html.facts([("b", "")]) == ""


def test_a_table_names_its_rows_and_columns():
    made = html.table(
        [("row", Cell(content="<same>", tone="good", note="why"), "")], header=("", "col", "other")
    )
    assert made.count('scope="row"') == 1
    assert made.count('scope="col"') == 2
    assert "&lt;same&gt;" in made
    assert "why" in made


def test_a_pipeline_has_an_arrow_less_than_boxes():
    made = html.pipeline([Box(title="a"), Box(title="b", value="1", note="n"), Box(title="<c>")])
    assert made.count("→") == 2
    assert "&lt;c&gt;" in made


def test_a_name_may_break_after_its_underscores_and_is_escaped():
    assert "a_<wbr>b.<wbr>&lt;c&gt;" in html.name("a_b.<c>")
