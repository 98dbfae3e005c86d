"""The benchmark of events runs, at a size that measures nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ["rxbridge", "Django HTTP", "synchronous floor"]


def run(output: Path, *options: str) -> str:
    command = [sys.executable, "benchmarks/bench_events.py", "--quick", "--here"]
    sizes = ["--rounds", "1", "--seconds", "0.05", "--tabs", "1", "3", "--output", str(output)]
    done = subprocess.run(
        [*command, *sizes, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("bench") / "benchmarks.md"
    run(output, "--parts", "rates", "--contenders", *OURS, "reflex-django")
    return output.read_text()


def cells(page: str, event: str, contender: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    return [row for row in rows if row[:2] in ([event, contender], [contender, event])]


@pytest.mark.parametrize("contender", OURS)
def test_each_contender_answers_events_of_one_and_of_several_tabs(page: str, contender: str):
    rates = [row for row in cells(page, "reads `request.user`", contender) if len(row) == 7]
    assert len(rates) == (1 if contender == "synchronous floor" else 2)
    assert all(float(row[2].replace(",", "")) > 0 for row in rates)
    assert "failed" not in page


def test_read_only_event_costs_one_hop_and_two_queries(page: str):
    (counts,) = [row for row in cells(page, "reads `request.user`", "rxbridge") if len(row) == 5]
    assert [counts[2], counts[4]] == ["1", "2"]


def test_contender_that_cannot_take_part_is_named_with_the_reason(page: str):
    assert "reflex-django took no part: not yet, it needs a virtual environment of its own" in page


def test_page_names_the_machine_but_no_host_or_path(page: str):
    assert "cores |" in page
    assert str(ROOT) not in page
    assert str(Path.home()) not in page


def test_sockets_are_measured_beside_what_one_would_pick_instead(tmp_path):
    names = ["rxbridge, def handlers", "bare Reflex", "Channels"]
    command = [sys.executable, "benchmarks/bench_sockets.py", "--quick", "--here", "--stacks", "a"]
    sizes = ["--rounds", "1", "--seconds", "0.1", "--tabs", "2", "--idle", "20"]
    sizes += ["--contenders", *names]
    found = ["--found", str(tmp_path / "found" / "sockets.json")]
    done = subprocess.run(
        [*command, *sizes, *found],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rates = {
        name: float(row[2].replace(",", ""))
        for name in [*names, "Channels, asking"]
        for row in cells(done.stdout, "read", name)
    }
    assert all(rates[name] > 0 for name in [*names, "Channels, asking"])
    assert str(ROOT) not in done.stdout
