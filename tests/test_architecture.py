"""The walks of ``docs/architecture.md`` are the ways that events go."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
SECTIONS = {
    "handshake": "The handshake",
    "event": "One event",
    "upload": "An upload",
    "sign-in": "Signing in",
    "background task": "A background task",
}
OF_OTHERS = {"login_required", "process_view", "request.user", "max_upload"}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """File and function of each walk, in order."""
    probe = REPOSITORY / "tests" / "probes" / "walks.py"
    done = subprocess.run(
        [sys.executable, str(probe), str(tmp_path_factory.mktemp("walks"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def told(title: str) -> list[list[str]]:
    """Return file and function as a section tells them; one without a file is of the last."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text()
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    steps = section[section.index("\n1. ") :]
    found = []
    file = ""
    for name in re.findall(r"`([^`]+)`", steps):
        if name.endswith(".py"):
            file = name
        elif re.fullmatch(r"_?\w+(\.(_?\w+|__\w+__|<locals>))+|[a-z_]+_[a-z_]+", name):
            found.append([file, name])
    return found


@pytest.mark.parametrize("walk", SECTIONS)
def test_walk_is_made_in_the_order_that_is_told(walked: Any, walk: str):
    steps = [step for step in told(SECTIONS[walk]) if step[1] not in OF_OTHERS]
    assert len(steps) >= 5
    assert [step for step in steps if step not in walked[walk]] == []
    positions = [walked[walk].index(step) for step in steps]
    assert positions == sorted(positions), [
        (before, after)
        for before, after in itertools.pairwise(steps)
        if walked[walk].index(before) > walked[walk].index(after)
    ]
