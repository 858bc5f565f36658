"""The versions of a store: commits, branches, tags, and what each commit changed, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator

from vzlab.inspection.history import Commit, History
from vzlab.inspection.words import format_count, format_list, shorten
from vzlab.render import html
from vzlab.render.html import Markup
from vzlab.render.printable import printable

_TEXT_COMMITS = 5
_HTML_COMMITS = 30


def history_lines(history: History) -> list[str]:
    """Say the versions in a few lines, newest first.

    Parameters
    ----------
    history : History
    """
    found = [_headline(history)]
    found += [f"changed since {history.since}: {history.since_changes}"] if history.since_changes else []
    found += [f"not committed: {history.uncommitted}"] if history.uncommitted else []
    for commit in history.commits[:_TEXT_COMMITS]:
        changes = f": {commit.changes}" if commit.changes is not None and commit.parent_id else ""
        found.append(f"  {commit.id[:8]}  {_when(commit)}  {_message(commit)}{changes}")
    if more := len(history.commits) - _TEXT_COMMITS:
        found += [f"  and {more:,} {'or more ' if not history.is_whole else ''}before: .history.commits"] * (
            more > 0
        )
    return [printable(line) for line in found]


def _headline(history: History) -> str:
    where = f" of branch {history.branch}" if history.branch else ""
    n_commits = f"{'' if history.is_whole else 'over '}{format_count(len(history.commits), 'snapshot')}"
    parts = [
        f"snapshot {history.snapshot_id}{where}",
        n_commits if history.commits else "",
        _named("branch", "branches", history.branches),
        _named("tag", "tags", history.tags),
    ]
    return " · ".join(filter(None, parts))


def _named(noun: str, plural: str, refs: object) -> str:
    names = list(refs) if isinstance(refs, dict) else []
    return f"{format_count(len(names), noun, plural)}: {format_list(names, most=4)}" if names else ""


def _when(commit: Commit) -> str:
    return commit.written_at[:16].replace("T", " ")


def _message(commit: Commit) -> str:
    names = [*commit.branches, *(f"tag {tag}" for tag in commit.tags)]
    return shorten(commit.message, 80) + (f" ({format_list(names, most=4)})" if names else "")


def history_card(history: History) -> Markup:
    """Draw the versions as lines that open: a table of commits.

    Parameters
    ----------
    history : History
    """
    return html.details(
        (html.strong("Versions"), " ", html.dim(shorten(_headline(history), 300))),
        *_since(history),
        html.table(
            [_row(commit) for commit in history.commits[:_HTML_COMMITS]],
            header=("snapshot", "written", "message", "what changed"),
        )
        if history.commits
        else None,
        html.dim(f"and {len(history.commits) - _HTML_COMMITS:,} more before")
        if len(history.commits) > _HTML_COMMITS
        else None,
    )


def commit_line(history: History) -> Markup:
    """Say in a line what the version itself changed; empty where its commit is not known.

    Parameters
    ----------
    history : History
    """
    commit = next((each for each in history.commits if each.id == history.snapshot_id), None)
    if commit is None:
        return Markup("")
    changed = (
        "the first"
        if commit.parent_id is None
        else str(commit.changes or "what it changed was not looked up")
    )
    said = (html.strong(_message(commit)), " ", html.dim(f"{_when(commit)}, {commit.id[:8]}"), ": ")
    return html.callout(*said, shorten(changed, 300), tone="info")


def _since(history: History) -> Iterator[Markup]:
    for title, changes in (
        (f"Changed since {history.since}", history.since_changes),
        ("Not committed", history.uncommitted),
    ):
        if changes is not None:
            yield html.callout(html.strong(f"{title}:"), " ", shorten(str(changes), 600), tone="info")


def _row(commit: Commit) -> tuple[html.Content, ...]:
    pills = [html.pill(name, "good", title="branch") for name in commit.branches[:4]]
    pills += [html.pill(name, "note", title="tag") for name in commit.tags[:4]]
    changes = "not looked up" if commit.changes is None else str(commit.changes)
    return (
        html.mono(commit.id[:12]),
        html.dim(_when(commit)),
        html.join([shorten(commit.message, 200), *pills]),
        "the first" if commit.parent_id is None else shorten(changes, 300),
    )
