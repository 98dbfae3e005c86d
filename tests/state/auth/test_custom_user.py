"""The auth mixins with a custom user model, which takes a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_custom_user_model(tmp_path):
    cases = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            "--ds=tests.state.auth.custom_user.settings",
            "tests/state/auth/custom_user/cases.py",
        ],
        cwd=ROOT,
        env={**os.environ, "RXBRIDGE_TEST_DB": str(tmp_path / "db.sqlite3")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert cases.returncode == 0, cases.stdout
