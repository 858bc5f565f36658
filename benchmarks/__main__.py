"""Measure vzlab beside its peers and print a table, or write it into ``benchmarks/README.md``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.cases import TOPICS
from benchmarks.chart import OVERVIEW, OVERVIEW_NOTE, file_name, overview_chart, topic_chart
from benchmarks.files import Files
from benchmarks.harness import OURS, run
from benchmarks.scale import FULL, SMALL
from benchmarks.table import LEGEND, goals_table, replace_results, setting, topic_table

PAGE = Path(__file__).parent / "README.md"
CHARTS = PAGE.parent / "charts"


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for and give the exit code: 1 if vzlab could not do a case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="small input: a few minutes instead of fifteen")
    parser.add_argument("--write", action="store_true", help=f"put tables and charts into {PAGE.name}")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="only cases whose topic or title has this text"
    )
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds of the quick cases")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="where the files that are read are kept")
    options = parser.parse_args(arguments)
    if options.write and options.only:
        parser.error("--write keeps the tables of a whole run: leave out --only")
    scale = SMALL if options.small else FULL
    files = Files(folder=options.files) if options.files else Files.in_temporary_folder()
    parts, charts, all_results = [], dict[str, str](), []
    failed, began = False, time.perf_counter()
    for topic in TOPICS:
        cases = [
            case
            for case in topic.cases(scale, files)
            if options.only.lower() in f"{topic.title} {case.title}".lower()
        ]
        results = []
        for result in run(cases, repeats=options.repeats or scale.repeats):
            results.append(result)
            failed |= OURS in result.failures
            print(
                f"{time.perf_counter() - began:6.0f} s  {topic.title}: {result.case.title}", file=sys.stderr
            )
        if results:
            parts.append(topic_table(results, note=topic.note, full_size=scale is FULL))
            print(parts[-1], flush=True)
            all_results.extend(results)
            chart = topic_chart(results)
            if chart is not None:
                name = file_name(topic.title)
                charts[name] = chart
                parts.append(f"![{topic.title}]({CHARTS.name}/{name})\n")
    if any(result.case.goal for result in all_results):
        parts.insert(0, goals_table(all_results, full_size=scale is FULL))
        print(parts[0])
    overview = overview_chart(all_results)
    if overview is not None:
        charts[OVERVIEW] = overview
        parts.insert(0, f"![All topics]({CHARTS.name}/{OVERVIEW})\n\n{OVERVIEW_NOTE}\n")
    form = "Small form: absolute goals are not judged" if options.small else "Full form"
    foot = f"{LEGEND}\n\n{setting(form=form)}"
    print(foot)
    if options.write and not failed:
        page = replace_results(PAGE.read_text(encoding="utf-8"), "\n".join([*parts, foot]))
        PAGE.write_text(page, encoding="utf-8")
        CHARTS.mkdir(exist_ok=True)
        for name, chart in charts.items():
            (CHARTS / name).write_text(chart, encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
