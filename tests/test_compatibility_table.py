"""The tables of other people's packages in docs are what tests/ecosystem checks, and with what."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PINS = REPOSITORY / "constraints" / "ecosystem.txt"
NEWEST = REPOSITORY / "constraints" / "newest.txt"
CI = REPOSITORY / ".ci" / "run"
TESTS = REPOSITORY / "tests" / "ecosystem"
UNPINNED = {"NetBox": "its pattern"}
"""What is not installed: the test has the same few lines."""


MIDDLEWARE, FOR_REFLEX = "middleware-compatibility.md", "reflex-packages.md"
both = pytest.mark.parametrize("page", [MIDDLEWARE, FOR_REFLEX])


@both
def test_each_row_is_a_package_with_tests_and_each_such_package_has_a_row(page: str):
    listed = [name for name, _, _, _ in rows(page)]
    assert listed == sorted(listed, key=str.lower)
    assert [name for name in listed if listed.count(name) > 1] == []
    assert sorted(listed) == sorted(checked(page))


@both
def test_versions_are_those_that_are_installed(page: str):
    versions = UNPINNED | pins()
    assert {name: version for name, version, _, _ in rows(page)} == {
        # What Reflex itself brings is listed as rx.something.
        name: versions.get("reflex" if name.startswith("rx.") else name)
        for name, _, _, _ in rows(page)
    }


def test_each_was_run_on_both_ends_of_django_as_ci_does():
    [newest] = re.findall(r"DJANGO=(\S+) scripts/test_ecosystem.sh", CI.read_text())
    assert f"Django=={newest} ;" in NEWEST.read_text()
    claim = f"on Django {pins()['Django']} and on {newest},"
    assert claim in (DOCS / MIDDLEWARE).read_text()


@both
def test_what_a_row_says_was_checked_is_what_its_tests_say(page: str):
    assert {name: words for name, _, _, words in rows(page)} == checked(page)


@both
def test_each_row_says_in_a_word_whether_it_works(page: str):
    assert {works for _, _, works, _ in rows(page)} <= {"yes", "skipped", "by hand", "no"}


def test_there_are_fifty_packages_with_middleware_and_more():
    assert len(rows(MIDDLEWARE)) >= 50


def pins() -> dict[str, str]:
    """Return the versions of what is installed, by the names of PyPI."""
    return dict(re.findall(r"^([^#\s=]+)==(\S+)$", PINS.read_text(), re.MULTILINE))


def rows(page: str) -> list[tuple[str, str, str, str]]:
    """Return the rows of a page's table: package, version, whether it works, what was checked."""
    lines = (DOCS / page).read_text().splitlines()
    start = lines.index("| package | version | works | what was checked | what to know or set |")
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, version, works, words, _ = (cell.strip() for cell in line.strip("|").split("|"))
        table.append((name, version, works, words))
    return table


def checked(page: str) -> dict[str, str]:
    """Return the packages of a page that have tests, with what the tests' docstrings say of them.

    A package has a module of its own, whose docstring begins with its name, or functions that
    ``package`` marks.
    """
    said, installed = defaultdict(list), pins()
    for file in sorted(TESTS.glob("test_*.py")):
        if (file.name == "test_reflex_packages.py") is not (page == FOR_REFLEX):
            continue
        module = ast.parse(file.read_text())
        name, _, words = (ast.get_docstring(module) or "").partition(": ")
        if name in installed:
            said[name].append(words)
        for function in module.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                said_of = map(package_of, function.decorator_list)
                for name in filter(None, said_of):
                    said[name].append(" ".join((ast.get_docstring(function) or "").split()))
    return {name: "; ".join(each.rstrip(".") for each in words) for name, words in said.items()}


def package_of(decorator: ast.expr) -> str | None:
    """Return the name of the package that a decorator marks a test with."""
    match decorator:
        case ast.Call(func=ast.Name("package"), args=[ast.Constant(str(name)), *_]):
            return name
    return None
