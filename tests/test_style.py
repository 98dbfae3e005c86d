"""Rules of the house that no linter knows."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rxbridge

PACKAGE = Path(rxbridge.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What Reflex documents for its users; all else is imported by the adapter alone.
DOCUMENTED = {"reflex"}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(path: Path) -> Iterator[str]:
    """The modules imported when the code runs, wherever in it that happens."""
    yield from _imports(ast.parse(path.read_text()))


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_only_the_adapter_imports_what_reflex_does_not_document(source: Path):
    if source.parent == PACKAGE / "events" / "reflex":
        return
    foreign = {
        module
        for module in imports(source)
        if module.partition(".")[0] in ("reflex", "reflex_base")
    }
    assert foreign <= DOCUMENTED


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_only_tests_assert(source: Path):
    nodes = ast.walk(ast.parse(source.read_text()))
    assert [node.lineno for node in nodes if isinstance(node, ast.Assert)] == []


def test_no_setting_is_ours():
    assert [name(source) for source in SOURCES if "RXBRIDGE_" in source.read_text()] == []


def test_no_import_goes_in_a_circle():
    """Imports for types alone included: what two files share stands below both."""
    modules = {module_of(source): source for source in SOURCES}
    needed = {
        module: {each for each in named(source) if each in modules} - {module}
        for module, source in modules.items()
    }
    assert "rxbridge.events.binder" in needed["rxbridge.events.bridge"]
    TopologicalSorter(needed).prepare()  # A CycleError names the circle.


def module_of(source: Path) -> str:
    parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(source: Path) -> Iterator[str]:
    """The modules a file names in imports; of what is no module, the module that has it."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                path = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if is_module else node.module
