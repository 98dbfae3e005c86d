"""The documentation is true: its code runs, its links lead somewhere, every page is listed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.markdown import anchors, blocks, links, python_blocks

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
# Those that begin with an underscore are made of the others for the site.
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.glob("[!_]*.md")), *sorted(DOCS.glob("[!_]*/*.md"))]
FOR_DEVELOPERS = [REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "SECURITY.md"]


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_each_test_that_the_threat_model_names_is_there():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (DOCS / "security.md").read_text())
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not re.search(rf"def {test}\(", (REPOSITORY / "tests" / path).read_text())
    ]
    assert named
    assert not missing


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with Django's tables, for blocks that save something."""
    database = tmp_path_factory.mktemp("docs") / "migrated.sqlite3"
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
    warm.run(migrate, cwd=REPOSITORY, env=environment(database), check=True)
    return database


@pytest.fixture(scope="module")
def run_blocks(migrated: Path) -> Iterator[Callable[[Path], dict[str, str]]]:
    """Run a page's blocks with a database of its own; return what failed, by line."""
    database = migrated.with_name("page.sqlite3")
    command = [sys.executable, "-W", "error", str(REPOSITORY / "tests/probes/run_blocks.py")]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment(database),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as interpreter:

        def run_blocks(page: Path) -> dict[str, str]:
            shutil.copy(migrated, database)
            print(page, file=interpreter.stdin, flush=True)
            return json.loads(interpreter.stdout.readline())

        yield run_blocks


def environment(database: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(REPOSITORY),
        "RXBRIDGE_TEST_DB": str(database),
    }


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(python_blocks(page.read_text()))], ids=name
)
def test_code_blocks_run(page: Path, run_blocks: Callable[[Path], dict[str, str]]):
    failures = run_blocks(page)
    assert not failures, "\n".join(f"line {line}: {error}" for line, error in failures.items())


@pytest.mark.parametrize("page", [*PAGES, *FOR_DEVELOPERS], ids=name)
def test_links_lead_somewhere(page: Path):
    broken = []
    for target in links(page.read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(target)
    assert broken == []


def test_index_lists_every_page():
    index = DOCS / "index.md"
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in links(index.read_text())}
    assert [name(page) for page in PAGES[1:] if page != index and page not in listed] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that ``make docs`` builds."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", str(DOCS), str(folder)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


class TestSite:
    def test_every_page_is_there_with_its_anchors(self, site: Path):
        for page in PAGES[1:]:
            html = (site / page.relative_to(DOCS)).with_suffix(".html").read_text()
            missing = [each for each in anchors(page.read_text()) if f'id="{each}"' not in html]
            assert missing == [], page

    def test_every_link_leads_somewhere(self, site: Path):
        pages = {page: page.read_text() for page in site.rglob("*.html")}
        broken = []
        for page, html in pages.items():
            for target in re.findall(r'<a [^>]*href="([^":]+)"', html):
                path, _, anchor = target.partition("#")
                file = (page.parent / path).resolve() if path else page
                if not file.exists() or (anchor and f'id="{anchor}"' not in pages.get(file, "")):
                    broken.append((page.name, target))
        assert broken == []

    def test_reference_has_signatures_from_docstrings(self, site: Path):
        html = (site / "_generated" / "events.html").read_text()
        assert 'id="rxbridge.events.EventBridge"' in html
        assert "ValueError" in html

    def test_nothing_is_loaded_from_elsewhere(self, site: Path):
        for page in site.rglob("*.html"):
            assert not re.findall(r'<(?:script|link|img)[^>]+="https?://[^"]*', page.read_text())

    def test_search_finds_a_part(self, site: Path):
        assert "origin-guard" in (site / "searchindex.js").read_text()


class TestTutorial:
    """Its code is that of the example, and all of it but tests and what Django writes."""

    PROJECT = REPOSITORY / "examples" / "helpdesk"
    ELSEWHERE = {"__init__.py", "manage.py", "rxconfig.py", "settings.py"}

    def pieces(self) -> Iterator[tuple[str, str]]:
        """What a block has of the file that is last named before it, without what it leaves out."""
        text = (DOCS / "tutorial.md").read_text()
        lines = text.splitlines()
        for line, language, block in blocks(text):
            if language != "console":
                file = re.findall(r"`([\w/]+\.(?:py|po))`", "\n".join(lines[:line]))[-1]
                for piece in re.split(r"^ *\.\.\.$", block, flags=re.MULTILINE):
                    yield file, piece.strip("\n")

    def test_each_block_is_the_examples_code(self):
        strange = [
            (file, piece)
            for file, piece in self.pieces()
            if f"\n{piece}\n" not in "\n" + (self.PROJECT / file).read_text()
        ]
        assert strange == []

    def test_nothing_of_the_example_is_left_out(self):
        shown: dict[str, str] = {}
        for file, piece in self.pieces():
            shown[file] = shown.get(file, "") + piece + "\n"
        missing = [
            (file, line)
            for path in self.PROJECT.glob("[!.]*/*.py")
            if path.name not in self.ELSEWHERE and path.parent.name != "tests"
            for file in [str(path.relative_to(self.PROJECT))]
            for line in path.read_text().splitlines()
            if line not in shown.get(file, "").splitlines()
        ]
        assert missing == []


class TestMarkdown:
    def test_blocks_marked_otherwise_are_not_run(self):
        text = "```python\na\n```\n```python notest\nb\n```\n```js\nc\n```\n```python\nd\n```\n"
        assert list(python_blocks(text)) == [(1, "a"), (10, "d")]

    def test_links_in_code_are_none(self):
        assert links("[a](b.md) `[c](d.md)`\n```\n[e](f.md)\n```\n![g](h.png)") == ["b.md", "h.png"]

    def test_anchors_are_those_of_github(self):
        assert anchors("# `A` & b\n## Set it, up\n## Set it, up\n") == {
            "a--b",
            "set-it-up",
            "set-it-up-1",
        }
