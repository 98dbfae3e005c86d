"""A newcomer's first minutes: the steps of the README, as they stand there, in a fresh project."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.django_app.site import environment, manage, run_reflex
from tests.servers import REPOSITORY

pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="no Chromium"),
]

MOST_LINES = 40
SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "ada-pass",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
}

# The file that a block is for is the last one named before it.
_BLOCK = re.compile(r"^ *```(python|console)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`([\w/]+\.py)`")


def section() -> str:
    readme = (REPOSITORY / "README.md").read_text()
    found = re.search(r"^## Add it to your project\n(.*?)^## ", readme, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield the text before each block of a language, and the block without its indent."""
    text, end = section(), 0
    for match in _BLOCK.finditer(text):
        before, end = text[end : match.start()], match.end()
        if match[1] == language:
            yield before, re.sub(r"^   ", "", match[2], flags=re.MULTILINE)


def files() -> dict[str, tuple[str, bool]]:
    """Return what is written: the text of each file, and whether it goes to the end of one."""
    return {
        _FILE.findall(before)[-1]: (code, "At the end of" in before)
        for before, code in blocks("python")
    }


def commands() -> list[str]:
    return [
        line.removeprefix("$ ") for _, block in blocks("console") for line in block.splitlines()
    ]


def test_readme_has_five_steps_and_at_most_forty_lines():
    assert re.findall(r"^(\d)\. ", section(), re.MULTILINE) == list("12345")
    written = [line for text, _ in files().values() for line in text.splitlines() if line.strip()]
    print(f"A newcomer writes {len(written)} lines into {len(files())} files.")
    assert len(written) <= MOST_LINES


def test_newcomer_is_greeted_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    start = time.monotonic()
    startproject = [sys.executable, "-m", "django", "startproject", "mysite"]
    subprocess.run(startproject, cwd=tmp_path, env=environment(), check=True)
    project = tmp_path / "mysite"
    for name, (text, at_the_end) in files().items():
        with (project / name).open("a" if at_the_end else "w") as file:
            file.write(text)
    *before, last = commands()
    for command in before:
        prepare(project, command)
    assert last == "python manage.py run_reflex"
    with run_reflex(project) as running, sync_playwright() as playwright:
        running.wait_for("Serving at")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.goto(running.url)
        expect(page.locator("h1")).to_have_text("Hello stranger")
        page.goto(f"{running.url}/admin/")
        page.fill("input[name=username]", "ada")
        page.fill("input[name=password]", "ada-pass")
        page.click("input[type=submit]")
        expect(page.locator("#user-tools")).to_contain_text("ada")
        page.goto(running.url)
        expect(page.locator("h1")).to_have_text("Hello ada")
        browser.close()
    with capsys.disabled():
        print(f"\nstartproject to a greeting by name: {time.monotonic() - start:.1f} s")
    assert_checks_find_nothing(project)


def prepare(project: Path, command: str) -> None:
    """Run what the README says to run before it serves."""
    python, script, *arguments = command.split()
    assert (python, script) == ("python", "manage.py")
    more = ["--noinput"] if arguments == ["createsuperuser"] else []
    result = manage(project, *arguments, *more, **SUPERUSER)
    assert result.returncode == 0, result.stdout


def assert_checks_find_nothing(project: Path) -> None:
    checked = manage(project, "check")
    assert "no issues" in checked.stdout, checked.stdout
