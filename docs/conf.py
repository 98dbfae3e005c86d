"""The site: `make docs` builds it from these pages, the README and the docstrings."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path

import django
from sphinx.application import Sphinx

HERE = Path(__file__).parent
GENERATED = HERE / "_generated"
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

project = html_title = "rxbridge"
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_copy_source = False
# As on a code host, so that a link leads to the same place in both.
myst_heading_anchors = 4
autodoc_default_options = {"members": True}
autodoc_typehints = "description"
autodoc_member_order = "bysource"

BESIDE = ["README", "CHANGELOG", "CONTRIBUTING", "SECURITY"]
REFERENCE = ["asgi", "events", "state", "state.auth", "state.crud", "django", "testing", "trace"]


def setup(app: Sphinx) -> None:
    """Join this to Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", adapt)


def write_pages(_: Sphinx) -> None:
    """Write what is no page of the repository's ``docs``: what is beside it, and the reference."""
    GENERATED.mkdir(exist_ok=True)
    for name in BESIDE:
        text = (HERE.parent / f"{name}.md").read_text()
        (GENERATED / f"{name}.md").write_text(text.replace("](docs/", "](../"))
    for name in REFERENCE:
        title = f"rxbridge.{name}"
        package = import_module(title)
        lines = [title, "=" * len(title), "", f".. module:: {title}", ""]
        # Named one by one: what needs Reflex is imported when it is first asked for.
        for public in package.__all__:
            lines += [f".. {directive(getattr(package, public))}:: {public}", ""]
        (GENERATED / f"{name}.rst").write_text("\n".join(lines))


def directive(member: object) -> str:
    """Return what documents it; what a constant is made of has nothing to say of it."""
    if isinstance(member, type):
        return "autoclass"
    return "autofunction" if callable(member) else "data"


def adapt(_: Sphinx, docname: str, source: list[str]) -> None:
    """Lead links of a page to where things are on the site; add the menu to the first one."""
    text = re.sub(rf"\]\(\.\./({'|'.join(BESIDE)})\.md", r"](_generated/\1.md", source[0])
    # Neither a folder nor what a folder says of itself is a page.
    text = re.sub(r"\[([^]]+)\]\((?:\.\./)*examples[\w/]*(?:README\.md)?\)", r"\1", text)
    source[0] = text + menu(text) if docname == "index" else text


def menu(index: str) -> str:
    """Return as hidden tables of contents what the tables of the first page link to."""
    sections = re.split(r"^##+ (.*)$", index, flags=re.MULTILINE)[1:]
    pages = {"Start": ["_generated/README"]}
    for title, text in zip(sections[::2], sections[1::2], strict=True):
        pages[title] = re.findall(r"^\| \[.*?\]\(([\w/-]+)\.md\)", text, flags=re.MULTILINE)
    pages["Reference"] = [f"_generated/{name}" for name in REFERENCE]
    pages["Project"] = [f"_generated/{name}" for name in BESIDE[1:]]
    return "".join(
        "\n\n" + "\n".join([f"```{{toctree}}\n:hidden:\n:caption: {title}\n", *listed, "```"])
        for title, listed in pages.items()
        if listed
    )
