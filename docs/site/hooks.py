"""Fill the site with what is made from elsewhere: notebooks, tutorials, the API, the command line, a diagram.

MkDocs calls the functions named ``on_...``; each says what it adds.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from site_api import api_pages
from site_commands import commands_page
from site_diagram import diagram
from site_notebooks import course_table, fill_outputs, first_heading, notebook_page, to_pages

ROOT = Path(__file__).resolve().parents[2]
BORROWED = {
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
"""Pages of the site that lie elsewhere in the repository."""
LESSONS = ("notebooks", "tutorials")


def on_config(config: Any) -> Any:
    """Put lists of pages into the navigation."""
    lists: dict[str, list[Any]] = {
        f"{{{part}}}": [
            f"{part}/index.md",
            *({first_heading(path): f"{part}/{path.stem}.md"} for path in _lessons(part)),
        ]
        for part in LESSONS
    }
    lists["{api}"] = list(api_pages())
    lists["{corpus}"] = [f"corpus/{path.name}" for path in sorted((ROOT / "docs/corpus").glob("*.md"))]
    lists["{corpus}"].sort(key=lambda name: name != "corpus/index.md")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    lists["{more}"] = sorted(pages - _named(config.nav))
    config.nav = _filled(config.nav, lists)
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are made."""
    made = {name: (ROOT / path).read_text(encoding="utf-8") for name, path in BORROWED.items()}
    made |= api_pages() | {"cli.md": commands_page()}
    for part in LESSONS:
        made |= {f"{part}/{path.stem}.md": notebook_page(path) for path in _lessons(part)}
        made[f"{part}/index.md"] = _list_of(part)
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for chart in sorted((ROOT / "benchmarks/charts").glob("*.svg")):
        files.append(File.generated(config, f"charts/{chart.name}", abs_src_path=str(chart)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Put the diagram and the table of lessons where their marks stand."""
    up = "../" * page.file.src_uri.count("/")
    return markdown.replace("<!-- diagram -->", diagram()).replace("<!-- course -->", course_table(ROOT, up))


def on_page_content(html: str, *, page: Any, **_: Any) -> str:
    """Put the outputs of a notebook's cells into its page, as they were committed."""
    part, _slash, name = page.file.src_uri.partition("/")
    path = ROOT / part / f"{name.removesuffix('.md')}.ipynb"
    return fill_outputs(html, path) if part in LESSONS and path.exists() else html


def on_post_page(html: str, **_: Any) -> str:
    """Name the dialog of the search, and leave one landmark of navigation where the theme nests several without a name."""
    html = html.replace(
        'data-md-component="search" role="dialog"',
        'data-md-component="search" role="dialog" aria-label="Search"',
    )
    is_nested: list[bool] = []

    def renamed(tag: re.Match[str]) -> str:
        if tag[0] == "</nav>":
            return "</div>" if is_nested.pop() else tag[0]
        is_nested.append(re.search(r'class="md-nav" data-md-level="[1-9]"', tag[0]) is not None)
        return tag[0].replace("<nav", '<div role="group"', 1) if is_nested[-1] else tag[0]

    return re.sub(r"<nav\b[^>]*>|</nav>", renamed, html)


@cache
def _lessons(part: str) -> list[Path]:
    return sorted((ROOT / part).glob("*.ipynb"))


def _list_of(part: str) -> str:
    readme = ROOT / part / "README.md"
    if readme.exists():
        said = to_pages(readme.read_text(encoding="utf-8"))
        lessons = {first_heading(path): f"{path.stem}.md" for path in _lessons(part)}
        unsaid = [f"- [{title}]({page})" for title, page in lessons.items() if f"({page})" not in said]
        return "\n".join([said, *unsaid]) + "\n"
    return (
        "# Notebooks\n\nThe workshop, in order. These pages show how the notebooks ran; `vzlab lab` copies them to a folder "
        "of yours, where you run and change them, and solve the exercises yourself.\n\n<!-- course -->\n"
    )


def _named(entry: Any) -> set[str]:
    if isinstance(entry, str):
        return {entry}
    return set().union(*(_named(each) for each in (entry.values() if isinstance(entry, dict) else entry)))


def _filled(entry: Any, lists: dict[str, list[Any]]) -> Any:
    if isinstance(entry, list):
        return [_filled(each, lists) for each in entry]
    if isinstance(entry, dict):
        return {name: _filled(value, lists) for name, value in entry.items()}
    return lists.get(entry, entry)
