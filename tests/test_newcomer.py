"""A newcomer's first minutes: the first steps of the docs as they stand, in a fresh project."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests import warm
from tests.browser.conftest import launched
from tests.django_app.site import environment, manage, run_reflex
from tests.servers import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.server]

MOST_LINES = 40
SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "ada-pass",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
}

# What the terminal shows on the way, all of it: nothing there is to be ignored.
_SAID = re.compile(
    r"""Operations\ to\ perform: | \ \ Apply\ all\ migrations:\ .* | Running\ migrations:
    | \ \ Applying\ .*\ OK | Superuser\ created\ successfully\.
    | Building\ the\ pages\.\ The\ first\ time,\ this\ installs\ npm\ packages\.
    | \ \ │\ (─.*─ | Compiling:.* | Creating\ Production\ Build:.* | …\ \d+\ s)
    | Serving\ at\ http://[\d.:]+/\ \ \(Ctrl-C\ stops\ it\)
    | INFO:\ +[\d.:]+\ -\ "(GET|POST)\ .*\ HTTP/1\.1"\ [23]\d\d\ .*""",
    re.VERBOSE,
)

# The file that a block is for is the last one named before it.
_BLOCK = re.compile(r"^ *```(python|console)[^\n]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`([\w/]+\.py)`")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each command as a newcomer's shell does."""
    for name in ("run", "Popen"):
        monkeypatch.setattr(warm, name, getattr(subprocess, name))


def section() -> str:
    return (REPOSITORY / "docs" / "start.md").read_text()


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


def test_page_has_five_steps_and_at_most_forty_lines():
    assert re.findall(r"^(\d)\. ", section(), re.MULTILINE) == list("12345")
    written = [line for text, _ in files().values() for line in text.splitlines() if line.strip()]
    print(f"A newcomer writes {len(written)} lines into {len(files())} files.")
    assert len(written) <= MOST_LINES


def test_template_has_the_files_of_the_five_steps(tmp_path: Path):
    hand, template = by_hand(tmp_path / "hand"), from_template(tmp_path / "template")
    for name, (text, at_the_end) in files().items():
        assert at_the_end or (template / name).read_text() == text
    assert names_below(template) == names_below(hand)
    assert effective_settings(template) == effective_settings(hand)


def test_newcomer_is_greeted_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    start = time.monotonic()
    project = by_hand(tmp_path / "hand")
    seconds = greet(project, start)
    with capsys.disabled():
        print(f"\nstartproject to a greeting by name: {seconds:.1f} s")
    start = time.monotonic()
    seconds = greet(from_template(tmp_path / "template"), start, built=project)
    with capsys.disabled():
        print(f"\nThe same from the template, but for the build: {seconds:.1f} s")


def by_hand(folder: Path) -> Path:
    """Do the steps that write files."""
    project = start_project(folder)
    for name, (text, at_the_end) in files().items():
        with (project / name).open("a" if at_the_end else "w") as file:
            file.write(text)
    return project


def from_template(folder: Path) -> Path:
    [path] = re.findall(r"--template\s+/path/to/rxbridge/([\w/]+)", section())
    return start_project(folder, "--template", str(REPOSITORY / path))


def start_project(folder: Path, *options: str) -> Path:
    folder.mkdir()
    command = [sys.executable, "-m", "django", "startproject", "mysite", *options]
    subprocess.run(command, cwd=folder, env=environment(), check=True)
    return folder / "mysite"


def names_below(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


def effective_settings(project: Path) -> dict[str, str]:
    """Every setting, but for the secret and the place of the project."""
    shown = manage(project, "diffsettings", "--all", "--output=unified").stdout
    settings = dict(line[2:].split(" = ", 1) for line in shown.splitlines() if line[0] != "-")
    del settings["SECRET_KEY"]
    if django.VERSION < (6, 1):
        settings.pop("MAILERS", None)  # Nothing older reads it.
    return {name: value.replace(str(project), "") for name, value in settings.items()}


def greet(project: Path, start: float, *, built: Path | None = None) -> float:
    """Do what comes after the files are written; the seconds to a greeting by name.

    The pages of ``built`` are the same, so they are taken from there.
    """
    *before, last = commands()
    terminal = [line for command in before for line in prepare(project, command)]
    assert last == "python manage.py run_reflex"
    for each in (".web", ".gitignore", "requirements.txt", "reflex.lock") if built else ():
        (built / each).rename(project / each)
    with run_reflex(project) as running, launched() as browser:
        running.wait_for("Serving at")
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda each: is_complaint(each) and complaints.append(each.text))
        page.goto(running.url)
        expect(page.locator("h1")).to_have_text("Hello stranger")
        sign_in_to_the_admin(page, running.url)
        page.goto(running.url)
        expect(page.locator("h1")).to_have_text("Hello ada")
        seconds = time.monotonic() - start
        assert_colour_mode_is_shared(page, running.url)
    terminal += running.lines
    assert [line for line in terminal if line and not _SAID.fullmatch(line)] == []
    assert complaints == []
    assert_checks_find_nothing(project)
    return seconds


def prepare(project: Path, command: str) -> list[str]:
    """Run what the page says to run before it serves; what the terminal shows."""
    python, script, *arguments = command.split()
    assert (python, script) == ("python", "manage.py")
    more = ["--noinput"] if arguments == ["createsuperuser"] else []
    result = manage(project, *arguments, *more, **SUPERUSER)
    assert result.returncode == 0, result.stdout
    return result.stdout.splitlines()


def sign_in_to_the_admin(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.fill("input[name=username]", "ada")
    page.fill("input[name=password]", "ada-pass")
    page.click("input[type=submit]")
    expect(page.locator("#user-tools")).to_contain_text("ada")


def assert_colour_mode_is_shared(page: Page, url: str) -> None:
    """The admin's button goes from auto to dark, to light, and to auto."""
    for shown in ("dark", "light", "light"):
        page.goto(f"{url}/admin/")
        page.click("#header .theme-toggle")
        page.goto(url)
        expect(page.locator("html")).to_have_class(re.compile(shown))


def is_complaint(message: ConsoleMessage) -> bool:
    # No site has an icon at first, and browsers ask for one.
    wants_icon = message.location["url"].endswith("/favicon.ico")
    return message.type in ("error", "warning") and not wants_icon


def assert_checks_find_nothing(project: Path) -> None:
    checked = manage(project, "check")
    assert "no issues" in checked.stdout, checked.stdout
