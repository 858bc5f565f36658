"""A comparison as JUnit XML, which continuous integration shows; what could not be compared is an error there, never skipped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from vzlab.testing.comparison import Comparison

_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2)."""


def junit_xml(comparison: Comparison) -> bytes:
    """One ``testcase`` for each level and variable that differs or could not be compared, and for each level that is fine."""
    suite = Element("testsuite", name="vzlab compare", time=f"{comparison.elapsed_s:.3f}")
    properties = SubElement(suite, "properties")
    for name in ("verdict", "virtual", "native", "coverage", "bound", "blind_spot", "seed"):
        SubElement(properties, "property", name=name, value=_text(str(getattr(comparison, name))))
    troubled = set()
    for finding in comparison.findings:
        troubled.add(finding.level)
        where = finding.variable or finding.file or "dataset"
        case = SubElement(suite, "testcase", classname=f"vzlab.{finding.level}", name=_text(where))
        failure = SubElement(case, "failure", type=finding.level, message=_text(finding.message))
        failure.text = _text("\n".join(f"{key}: {value}" for key, value in vars(finding).items() if value))
    for gap in comparison.gaps:
        troubled.add(gap.level)
        name = _text(gap.variable or "all variables")
        case = SubElement(suite, "testcase", classname=f"vzlab.{gap.level}", name=name)
        SubElement(case, "error", type="UNVERIFIED", message=_text(gap.reason))
    for level in comparison.levels:
        if level.level in troubled:
            continue
        case = SubElement(suite, "testcase", classname=f"vzlab.{level.level}", name=level.title)
        if not level.checked:
            SubElement(case, "skipped", message=_text(level.note or "nothing to compare"))
    for attribute, tag in (
        ("tests", "testcase"),
        ("failures", "*/failure"),
        ("errors", "*/error"),
        ("skipped", "*/skipped"),
    ):
        suite.set(attribute, str(len(suite.findall(tag))))
    indent(suite)
    document: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
