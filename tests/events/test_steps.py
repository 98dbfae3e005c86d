"""One event goes through few functions of the house: they are to be read in an evening."""

from pathlib import Path

from tests.test_nothing_global import run_probe

FUNCTIONS, FILES, CALLS = 70, 11, 88
"""What one event takes now. Lower them with each step that is saved."""


def test_one_event_takes_no_more_steps_than_it_did(tmp_path: Path):
    calls = run_probe("steps.py", str(tmp_path))
    named = "\n".join(f"{times} {file} {function}" for file, function, times in calls)
    files = {file for file, *_ in calls}
    figures = len(calls), len(files), sum(times for *_, times in calls)
    assert all(map(int.__le__, figures, (FUNCTIONS, FILES, CALLS))), f"{figures}:\n{named}"
