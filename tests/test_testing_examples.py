"""The tests of the examples pass where they are: each in a project of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
STYLES = {
    "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
    "django": ["-W", "error", "manage.py", "test", "--noinput"],
}


def run(*arguments: str, project: str = "tests_with_the_kit") -> subprocess.CompletedProcess[str]:
    others = {"DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in others}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=EXAMPLES / project,
        env={**environment, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("style", STYLES)
def test_examples_pass(style: str):
    result = run(*STYLES[style])
    assert result.returncode == 0, result.stdout + result.stderr


def test_shop_passes():
    for left in (EXAMPLES / "shop").glob("test.sqlite3*"):
        left.unlink()  # Django leaves the log of one whose run was killed, and the next reads it.
    result = run(*STYLES["django"], project="shop")
    assert result.returncode == 0, result.stdout + result.stderr


def test_models_have_their_migrations():
    result = run("manage.py", "makemigrations", "--check", "--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr


def test_plugin_says_where_to_write_what_it_misses():
    result = run(*STYLES["pytest"], "-o", "rxbridge_app=", "-k", "language")
    assert 'Write rxbridge_app = "package.module:name"' in result.stdout
