"""The tests of the examples pass where they are: each in a project of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
DJANGO = ["-W", "error", "manage.py", "test", "--noinput"]
# The second is where `settings_shop` is.
PATHS = [str(EXAMPLES.parent), str(Path(__file__).parent / "browser")]
STYLES = {
    "tests_with_the_kit": [PYTEST, DJANGO],
    "helpdesk": [DJANGO],
    "shop": [[*DJANGO, "--settings=settings_shop"]],
}


def run(project: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    others = {"DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS"}
    environment = {name: value for name, value in os.environ.items() if name not in others}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=EXAMPLES / project,
        env={**environment, "PYTHONPATH": os.pathsep.join(PATHS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("project", "style"), [(each, style) for each, styles in STYLES.items() for style in styles]
)
def test_examples_pass(project: str, style: list[str]):
    for left in (EXAMPLES / project).glob("test.sqlite3*"):
        left.unlink()  # Django leaves the log of one whose run was killed, and the next reads it.
    result = run(project, *style)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("project", STYLES)
def test_models_have_their_migrations(project: str):
    result = run(project, "manage.py", "makemigrations", "--check", "--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr


def test_plugin_says_where_to_write_what_it_misses():
    result = run("tests_with_the_kit", *PYTEST, "-o", "rxbridge_app=", "-k", "language")
    assert 'Write rxbridge_app = "package.module:name"' in result.stdout
