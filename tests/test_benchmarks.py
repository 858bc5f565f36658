"""Every benchmark runs, on input so small that its figures mean nothing, and its tables say what was measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from benchmarks import chart, growth, instructions, stated, table
from benchmarks.__main__ import PAGE
from benchmarks.cases import TOPICS
from benchmarks.files import Files
from benchmarks.harness import OURS, Case, Goal, Result, measure, require, wall
from benchmarks.scale import TINY


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(folder=tmp_path_factory.mktemp("benchmarks"))


def all_cases() -> Iterator[Case]:
    nowhere = Files(folder=Path("nowhere"))
    return itertools.chain.from_iterable(topic.cases(TINY, nowhere) for topic in TOPICS)


@pytest.mark.parametrize(
    "number", range(sum(1 for _ in all_cases())), ids=[case.title for case in all_cases()]
)
def test_case_runs(number: int, files: Files) -> None:
    topics = [(topic, case) for topic in TOPICS for case in topic.cases(TINY, files)]
    topic, case = topics[number]
    result = measure(case, repeats=1)
    # A peer may be absent; nobody else may fail.
    assert {name: why for name, why in result.failures.items() if not why.startswith("no ")} == {}
    assert OURS in result.samples
    # What costs the same whatever its size may seem to take less when there is more.
    least = -1.0 if case.unit == "exponent" else 0.0
    assert all(value > least for values in result.samples.values() for value in values)
    assert case.title in table.topic_table([result], note=topic.note, full_size=False)


def test_no_two_cases_have_one_title() -> None:
    titles = [(case.topic, case.title) for case in all_cases()]
    assert len(titles) == len(set(titles))


def turns(log: list[str], name: str, *seconds: float) -> object:
    left = iter((0.0, *seconds))  # the first run does not count

    def one() -> float:
        log.append(name)
        return next(left)

    return lambda: one


def test_contestants_take_turns_and_ratios_are_of_one_round() -> None:
    log: list[str] = []
    contestants = {OURS: turns(log, "a", 1.0, 2.0, 4.0), "peer": turns(log, "b", 3.0, 8.0, 4.0)}
    result = measure(Case(topic="t", title="c", contestants=contestants), repeats=3)  # type: ignore[arg-type]
    assert "".join(log) == "ab" * 4
    assert result.median(OURS) == 2.0
    assert result.ratios("peer") == (3.0, 4.0, 1.0)
    text = table.topic_table([result], note="", full_size=True)
    assert "2 s (1 s–4 s)" in text
    assert "4 s, 3x (1–4)" in text


def test_what_gives_a_wrong_answer_is_not_measured() -> None:
    def wrong() -> object:
        require(False, "values differ")
        return lambda: 1.0

    contestants = {OURS: turns([], "a", 1.0), "peer": wrong}
    result = measure(Case(topic="t", title="c", contestants=contestants), repeats=1)  # type: ignore[arg-type]
    assert result.failures == {"peer": "AssertionError: values differ"}
    assert "values differ" in table.topic_table([result], note="", full_size=True)


@pytest.mark.parametrize(
    ("goal", "full_size", "reached"),
    [
        (Goal(at_most=2.0), True, True),
        (Goal(at_most=1.9), True, False),
        (Goal(at_most=1.9), False, None),
        (Goal(at_most=1.9, any_size=True), False, False),
        (Goal(at_most=0.5, times="peer"), False, True),
        (Goal(at_most=0.4, times="peer"), False, False),
        (Goal(at_most=0.4, times="absent"), True, None),
        (None, True, None),
    ],
)
def test_goal(goal: Goal | None, full_size: bool, reached: bool | None) -> None:
    case = Case(topic="t", title="c", contestants={}, goal=goal)
    samples = {OURS: (2.0, 2.0), "peer": (4.0, 4.0)}
    result = Result(case=case, samples=samples, failures={"absent": "no absent"})
    assert result.reaches_goal(full_size=full_size) is reached


def test_preparation_does_not_count() -> None:
    clock = SimpleNamespace(now=0.0)

    def prepare() -> str:
        clock.now += 100.0
        return "given"

    def act(given: str) -> None:
        assert given == "given"
        clock.now += 6.0

    assert wall(act, prepare, per=3, clock=lambda: clock.now)() == 2.0


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1.234, "s", "1.23 s"),
        (0.0456, "s", "45.6 ms"),
        (7.8e-6, "s", "7.8 µs"),
        (0.25, "s", "250 ms"),
        (20.4, "bytes", "20.4 B"),
        (25e6, "bytes", "25 MB"),
    ],
)
def test_amount(value: float, unit: table.Unit, said: str) -> None:
    assert table.amount(value, unit) == said


def test_results_go_between_the_markers() -> None:
    page = PAGE.read_text(encoding="utf-8")
    written = table.replace_results(page, "| new |")
    before, after = page.partition(table.BEGIN)[0], page.partition(table.END)[2]
    assert written == f"{before}{table.BEGIN}\n\n| new |\n\n{table.END}{after}"
    assert table.replace_results(written, "| new |") == written


@pytest.mark.parametrize("page", ["", table.BEGIN, f"{table.END}{table.BEGIN}", table.BEGIN * 2 + table.END])
def test_page_without_its_markers_is_left_alone(page: str) -> None:
    with pytest.raises(ValueError, match="each once"):
        table.replace_results(page, "new")


def results_beside(**samples: tuple[float, ...]) -> list[Result]:
    goal = Goal(at_most=1.2, times="h5py")
    case = Case(topic="Open <files>", title="a & b", contestants={}, goal=goal)
    return [Result(case=case, samples=samples, failures={})]


def test_a_chart_has_whoever_was_measured_where_its_ratio_is() -> None:
    drawn = chart.topic_chart(results_beside(vzlab=(1.0,), h5py=(1.0,), kerchunk=(10.0,)))
    assert drawn is not None
    root = ET.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    dots = {
        title.text: float(circle.attrib["cx"])
        for circle in root.iter(f"{space}circle")
        if (title := circle.find(f"{space}title")) is not None
    }
    assert dots["h5py: 1 times what vzlab takes"] < dots["kerchunk: 10 times what vzlab takes"]
    assert "a & b" in [text.text for text in root.iter(f"{space}text")]
    assert chart.topic_chart(results_beside(vzlab=(1.0,))) is None
    assert chart.file_name("Open <files>") == "open-files.svg"


def test_the_overview_has_a_row_for_each_topic_and_the_mean_of_its_cases() -> None:
    cases = [
        Case(topic=topic, title=str(n), contestants={}, in_overview=n < 2)
        for topic in ("t", "u")
        for n in range(3)
    ]
    results = [
        Result(case=case, samples={OURS: (1.0,), "h5py": (theirs,), "metadata": (9.0,)}, failures={})
        for case, theirs in zip(cases, (2.0, 8.0, 1e6) * 2, strict=True)
    ]
    drawn = chart.overview_chart(results)
    assert drawn is not None
    assert drawn.count("h5py: 4 times what vzlab takes") == 2
    assert "metadata" not in drawn


@pytest.mark.parametrize(("h5py", "said"), [(1.0, "yes"), (0.5, "**no**")])
def test_each_goal_is_listed_with_what_was_measured(h5py: float, said: str) -> None:
    listed = table.goals_table(results_beside(vzlab=(1.0,), h5py=(h5py,)), full_size=True)
    row = listed.splitlines()[2]
    assert f"1 s, {1 / h5py:.2g}x h5py" in row
    assert row.endswith(f"| {said.ljust(7)} |")
    assert f"{int(said == 'yes')} of 1 goals are reached" in listed


def test_exponent_is_that_of_the_power() -> None:
    sizes = (10, 100, 250)
    assert growth.exponent(sizes, [3 * n**1.5 for n in sizes]) == pytest.approx(1.5)


def test_all_sizes_are_measured_equally_often_and_in_turn() -> None:
    done: list[int] = []
    growth.least_seconds([partial(done.append, n) for n in (1, 2, 3)])
    assert done == [1, 2, 3] * growth.MOST_ROUNDS


STATED_CASES = {case.title: case for case in stated.checked_cases(Files(folder=Path("nowhere")))}


def test_whatever_is_stated_is_a_case() -> None:
    assert STATED_CASES.keys() == stated.STATED.keys()


@pytest.mark.parametrize(("theirs", "worse"), [((2.0, 2.0), False), ((0.1, 1.4), False), ((0.1, 1.0), True)])
def test_worse_is_what_is_worse_in_every_round(theirs: tuple[float, ...], worse: bool) -> None:
    case = STATED_CASES["100,000 chunks, fixed array"]  # at most 0.3 times
    result = Result(case=case, samples={OURS: (0.36, 0.36), "h5py": theirs}, failures={})
    assert stated.is_worse(result) is worse


@pytest.mark.slow
@pytest.mark.parametrize("title", STATED_CASES)
def test_no_ratio_is_worse_than_stated(title: str, files: Files) -> None:
    case = next(case for case in stated.checked_cases(files) if case.title == title)
    result = measure(case, repeats=1)
    assert result.failures == {}
    assert not stated.is_worse(result), result.ratios(stated.STATED[title][0])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kernels_take_no_more_instructions_than_stated(files: Files) -> None:
    try:
        counted = instructions.count(files.folder)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert counted.keys() == instructions.MOST_A_CHUNK.keys()
    assert {name: count for name, count in counted.items() if count > instructions.MOST_A_CHUNK[name]} == {}
