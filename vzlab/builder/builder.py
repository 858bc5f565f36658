"""Build a virtual dataset step by step: each state is a value, and is a program."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vzlab.builder import results, work
from vzlab.builder.choices import Choices, CostOf, Kind, Proof, Sources, Step, names_of
from vzlab.builder.fixes import Fix, fixes_for
from vzlab.builder.program import Block, blocks_of, program
from vzlab.builder.settings import (
    absolute,
    check_choices,
    check_parser,
    flat,
    kept_options,
    location,
    setting,
    target_of,
)
from vzlab.builder.state import State
from vzlab.builder.uploads import save_upload
from vzlab.errors import StepError
from vzlab.storage import url_name
from vzlab.telling import Listener, listening

if TYPE_CHECKING:
    import xarray as xr

    from vzlab.builder.preview import Preview
    from vzlab.datasets import CompatibilityReport, Finding
    from vzlab.detection import Format
    from vzlab.inspection import Inspection
    from vzlab.testing import Comparison, Verification


@dataclass(frozen=True, kw_only=True, repr=False)
class Builder(State):
    """A virtual dataset in the making, from sources to receipt.

    Every step is a method that returns a new builder and does no work: `sources`, `look`, `check`, `choose`, `combine`,
    `write`, `prove`, in any order after the first, and again. What is asked of a builder (`files`, `inspection`, `report`,
    `preview`, ...) is done then, once; a later state keeps what is still valid. Writing and proving are done by `run`.
    `code` gives the whole as a program.

    Examples
    --------
    >>> builder = Builder().sources("archive/*.nc").choose(on_mismatch="reencode").write("cube").prove()
    >>> len(builder.files)
    12
    """

    # -- steps ----------------------------------------------------------------------------------------------

    def sources(
        self,
        *locations: str | os.PathLike[str] | Collection[str | os.PathLike[str]],
        storage_options: Mapping[str, Any] | None = None,
        parser: str | None = None,
        parser_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Step 1: say which files, anew.

        Parameters
        ----------
        *locations : str, path, or collections of them
            Paths, urls and globs, of files or of objects in buckets. Relative paths become absolute.
        storage_options : mapping, optional
            For the object store. Whatever may be a secret appears in programs as a look-up in the environment.
        parser : str, optional
            Name of one of `vzlab.parsers`; None takes the one for the format that is found.
        parser_options : mapping, optional
            What that parser is made with.
        """
        given = [found for each in locations for found in flat(each)]
        if not given:
            raise StepError("No sources were given: name at least one path, url or glob", step="sources")
        check_parser(parser, parser_options)
        with work.at("sources", self):
            options = kept_options(storage_options, given[0])
        sources = Sources(
            locations=tuple(location(text, number) for number, text in enumerate(given, start=1)),
            storage_options=options,
            parser=parser,
            parser_options=dict(parser_options or {}),
        )
        had = self.chosen_sources
        looked_at = None if self.looked_at is None else 0
        if sources.locations == had.locations:
            sources = replace(sources, left_out=had.left_out, unique=had.unique)
            looked_at = self.looked_at
        # Other credentials have the same name: what was worked out with the old ones is not kept.
        known = {} if storage_options else dict(self._results)
        return replace(self, chosen_sources=sources, looked_at=looked_at, _results=known)

    def add_sources(self, *locations: str | os.PathLike[str] | Collection[str | os.PathLike[str]]) -> Self:
        """Step 1: take further files, behind those there are."""
        had = self.chosen_sources.locations
        given = [found for each in locations for found in flat(each)]
        added = tuple(location(text, len(had) + n) for n, text in enumerate(given, start=1))
        return self._with(chosen_sources=replace(self.chosen_sources, locations=had + added))

    def stac(self, items: Any, asset: str | None = None) -> Self:
        """Step 1: take the files that STAC items lead to, with what the items say of their store.

        Parameters
        ----------
        items, asset
            As `vzlab.urls_from_stac` takes them.
        """
        from vzlab.stac import urls_from_stac

        with work.at("sources", self):
            urls, options = urls_from_stac(items, asset)
        return self.sources(urls, storage_options=options)

    def upload(self, name: str, data: bytes, folder: str | os.PathLike[str]) -> Self:
        """Step 1: save the bytes of a file in a folder, and take it as a further source.

        Parameters
        ----------
        name : str
            What the file is called. Directories in it are not followed.
        data : bytes
        folder : path
            Made if it is not there. A file of the same name and other bytes is left as it is: the new one gets a number.
        """
        with work.at("sources", self):
            return self.add_sources(save_upload(name, data, Path(folder)))

    def leave_out(self, names: str | Collection[str]) -> Self:
        """Step 1: leave out files by their name, or by their url where two have the same name."""
        self._need_sources("sources")
        left_out = names_of([*self.chosen_sources.left_out, *names_of(names)])
        return self._with(chosen_sources=replace(self.chosen_sources, left_out=tuple(sorted(left_out))))

    def take_back(self, names: str | Collection[str]) -> Self:
        """Step 1: take files that were left out."""
        left_out = tuple(name for name in self.chosen_sources.left_out if name not in names_of(names))
        return self._with(chosen_sources=replace(self.chosen_sources, left_out=left_out))

    def unique(self) -> Self:
        """Step 1: take a file that is named twice once."""
        self._need_sources("sources")
        return self._with(chosen_sources=replace(self.chosen_sources, unique=True))

    def look(self, file: int = 0) -> Self:
        """Step 2: look at one file, by its position."""
        self._need_sources("look")
        return self._with(looked_at=file)

    def check(self) -> Self:
        """Step 3: compare the files before they are combined."""
        self._need_sources("check")
        return self._with(is_checked=True)

    def choose(self, **settings: Any) -> Self:
        """Step 4: choose what is taken of each file, and how files are put together. What is not named stays.

        Parameters
        ----------
        variables : list of str, optional
            The only ones to keep, beside their coordinates.
        drop_variables, loadable_variables, decode_times, group
            As `vzlab.open_virtual_dataset` takes them. Several groups, or ``"*"``, make a tree.
        combine, concat_dim, on_mismatch, allow, join, compat, data_vars, coords, attrs, memory_bytes, cf
            As `vzlab.open_virtual_mfdataset` takes them.
        rename : mapping of str to str, optional
            Old names to new ones.
        """
        self._need_sources("choose")
        if unknown := sorted(set(settings) - Choices.names()):
            raise StepError(
                f"Found {', '.join(unknown)}; what can be chosen is {', '.join(sorted(Choices.names()))}",
                step="choose",
            )
        choices = replace(self.choices, **{name: setting(name, value) for name, value in settings.items()})
        check_choices(choices)
        return self._with(choices=choices, is_combined=True)

    def combine(self, cost_of: str | None = None, selection: Mapping[str, Any] | None = None) -> Self:
        """Step 5: combine.

        Parameters
        ----------
        cost_of : str, optional
            A variable, of which the cost of reading is told.
        selection : mapping of dimension to int or slice, optional
            What of it; everything if nothing is said.
        """
        self._need_sources("combine")
        asked = None
        if cost_of is not None:
            parts = {
                dim: (part.start, part.stop, part.step) if isinstance(part, slice) else part
                for dim, part in (selection or {}).items()
            }
            asked = CostOf(variable=cost_of, selection=parts)
        return self._with(is_combined=True, cost_of=asked)

    def write(
        self,
        to: str | os.PathLike[str],
        *,
        kind: Kind | None = None,
        storage_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Step 6: say where the references go. `run` writes them.

        Parameters
        ----------
        to : path or url
            A relative path becomes absolute.
        kind : {"icechunk", "json", "parquet"}, optional
            None tells by the suffix: ``.json`` and ``.parquet`` are Kerchunk's, all else is Icechunk's.
        storage_options : mapping, optional
            For a url as target.
        group, branch, message, mode, append_dim
            As `vzlab.writers.write_icechunk` takes them. A group that was chosen keeps its path; ``group="/"`` puts it
            at the root.
        zarr_format : {2, 3}
            Of Kerchunk's metadata.
        """
        self._need_sources("write")
        with work.at("write", self):
            options = kept_options(storage_options, to, beside=self.chosen_sources.storage_options)
            target = target_of(to, kind, options, settings)
        return self._with(target=target, is_combined=True)

    def prove(
        self,
        *,
        levels: str | Collection[str] = (),
        exact: bool = False,
        seed: int = 0,
        receipt: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Step 7: verify references against their files, and compare what they read with the originals.

        Parameters
        ----------
        levels, exact, seed
            As `vzlab.compare` takes them.
        receipt : path, optional
            A page to keep the comparison on.
        """
        if self.target.to is None:
            raise StepError(
                "Nothing is written yet that could be proved: take the step write(...) first", step="prove"
            )
        page = None if receipt is None else absolute(os.fspath(receipt))
        return self._with(proof=Proof(levels=names_of(levels), exact=exact, seed=seed, receipt=page))

    def apply(self, fix: Fix) -> Self:
        """Take the step that resolves a finding; `fixes` gives them."""
        applied: Self = getattr(self, fix.method)(**fix.arguments)
        return applied

    # -- what is asked of it --------------------------------------------------------------------------------

    @property
    def files(self) -> tuple[str, ...]:
        """Urls of the files that are taken: globs are looked up now."""
        self._need_sources("sources")
        return self.remember("files", lambda: work.files_of(self))

    @property
    def format(self) -> Format:
        """Format of the first file."""
        return self.remember("format", lambda: work.format_of(self))

    @property
    def inspection(self) -> Inspection:
        """The file that is looked at."""
        return self.remember("inspection", lambda: work.inspection_of(self, self.looked_at or 0))

    @property
    def report(self) -> CompatibilityReport:
        """Whether the files make one dataset, and who differs in what. What was chosen to mend it is not in it."""
        report: CompatibilityReport = self.run("check")
        return report

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings of the report that no choice resolves yet."""
        mended = None if self.choices.on_mismatch == "raise" else self.choices.on_mismatch
        return self.report.without(allow=self.choices.allow, repaired_by=mended).problems

    @property
    def cube(self) -> xr.Dataset | xr.DataTree:
        """The files as one dataset, or tree, of references."""
        cube: xr.Dataset | xr.DataTree = results.cube(self)
        return cube

    @property
    def preview(self) -> Preview:
        """The combined dataset in words and numbers."""
        preview: Preview = self.run("combine")
        return preview

    @property
    def written(self) -> str | None:
        """What was written of exactly this state; None if nothing was."""
        written: str | None = self.kept("written")
        return written

    @property
    def verification(self) -> Verification | None:
        """The references against their files; None before `run("prove")`."""
        proved = self.kept("proved")
        return None if proved is None else proved[0]

    @property
    def comparison(self) -> Comparison | None:
        """The receipt; None before `run("prove")`."""
        proved = self.kept("proved")
        return None if proved is None else proved[1]

    def fixes(self, finding: Finding) -> tuple[Fix, ...]:
        """Ways to resolve a finding of the report."""
        files = self.files
        names = [url_name(url) for url in files]
        shown = [name if names.count(name) == 1 else url for name, url in zip(names, files, strict=True)]
        return fixes_for(finding, shown, self.choices.allow, self.choices.drop_variables)

    def run(self, step: Step, progress: Listener | None = None) -> Any:
        """Do one step, and what it needs before; done once, and then known.

        Parameters
        ----------
        step : str
        progress : callable, optional
            ``(text, done, total)``; ``total`` is 0 where that is not known. What it raises ends the work; what was done
            before stays known, and nothing is half written.

        Returns
        -------
        object
            The step's result: files, inspection, report, preview, what was written in words, or the comparison.

        Raises
        ------
        StepError
            Its ``step`` is the one that caused the error.
        """
        if progress is None:
            return results.run(self, step)
        with listening(progress):
            return results.run(self, step)

    # -- what it is -----------------------------------------------------------------------------------------

    @property
    def log(self) -> tuple[Block, ...]:
        """The steps that count, each as the part of the program that it is."""
        return blocks_of(self)

    def code(self) -> str:
        """A program that does the same, alone."""
        return program(self)

    def to_script(self, path: str | os.PathLike[str]) -> Path:
        """Write the program as a file, and give its path."""
        written = Path(path)
        written.write_text(self.code(), encoding="utf-8")
        return written

    def to_notebook(self, path: str | os.PathLike[str]) -> Path:
        """Write the program as a notebook, a cell for each step, and give its path."""
        from vzlab.builder.notebook import notebook

        written = Path(path)
        written.write_text(json.dumps(notebook(self), indent=1) + "\n", encoding="utf-8")
        return written

    @classmethod
    def from_script(cls, path: str | os.PathLike[str]) -> Builder:
        """Take up a program that `to_script` wrote, its values perhaps changed since. Nothing of it is run.

        Raises
        ------
        ValueError
            Naming the first line that is not of such a program.
        """
        from vzlab.builder.reading import read_program

        return read_program(Path(path).read_text(encoding="utf-8"))

    def to_json(self) -> str:
        """All that was chosen, without results and secrets."""
        from vzlab.builder.json_form import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Builder:
        """Take up what `to_json` gave.

        Raises
        ------
        ValueError
            If it is not that.
        """
        from vzlab.builder.json_form import from_json

        return from_json(text)

    def __repr__(self) -> str:
        return f"<vzlab.Builder of {len(self.log)} steps>\n{self.code()}"

    def _repr_html_(self) -> str:
        from vzlab.builder.view import to_html

        return to_html(self)
