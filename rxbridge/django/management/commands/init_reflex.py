"""``manage.py init_reflex``: write the files of a first page into a project that exists."""

import json
import os
from argparse import ArgumentParser
from collections.abc import Iterator
from difflib import unified_diff
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rxbridge.django._urlconf import first_segments, places

TEMPLATE = Path(__file__).parents[2] / "project_template"
_FILES = ("rxconfig.py", "project_name/ui.py", "project_name/asgi.py")


class Command(BaseCommand):
    """Write ``rxconfig.py``, ``ui.py`` and ``asgi.py``; ask before a file is changed."""

    help = "Writes rxconfig.py, ui.py and asgi.py; asks before it changes a file."
    # They may find wrong what this writes.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--no-input``."""
        parser.add_argument(
            "--no-input", "--noinput", dest="interactive", action="store_false",
            help="Change no file that exists; fail if one would have to be.",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Write what is missing, and what the user agrees to."""
        package = settings.ROOT_URLCONF.rpartition(".")[0]
        kept = [
            str(path)
            for path, text in first_page(package)
            if not self._write(path, text, asks=options["interactive"])
        ]
        if not options["interactive"] and kept:
            msg = f"Not changed: {', '.join(kept)}. Run it without --no-input to be asked."
            raise CommandError(msg)
        application = f"{package}.asgi.application"
        if getattr(settings, "ASGI_APPLICATION", None) != application:
            self.stdout.write(f'Add to the settings:\n\n    ASGI_APPLICATION = "{application}"\n')
        self.stdout.write("Then: manage.py run_reflex, and before a deployment: check --deploy")

    def _write(self, path: Path, text: str, *, asks: bool) -> bool:
        """Write ``text`` if the file is missing or may be changed; whether that is its text now."""
        old = path.read_text() if path.is_file() else None
        if old == text:
            return True
        if old is not None:
            lines = old.splitlines(keepends=True), text.splitlines(keepends=True)
            self.stdout.write("".join(unified_diff(*lines, f"{path}", f"{path}, new")))
            if not asks or input(f"Write {path}? [y/N] ").strip().lower() not in ("y", "yes"):
                return False
        path.write_text(text)
        self.stdout.write(f"Wrote {path}")
        return True


def first_page(package: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of a first page for the project in ``package``, and their texts."""
    spec = find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        msg = f"ROOT_URLCONF = '{settings.ROOT_URLCONF}' is in no package for ui.py and asgi.py."
        raise CommandError(msg)
    folder = Path(spec.submodule_search_locations[0])
    root = folder.parents[package.count(".")]
    in_this_project = {
        'app_name="{{ project_name }}"': f'app_name="{package.partition(".")[0]}"',
        "{{ project_name }}.settings": os.environ["DJANGO_SETTINGS_MODULE"],
        "{{ project_name }}": package,
        '["/admin"]': json.dumps([each for each in first_segments(places()) if each != "/"]),
    }
    for name in _FILES:
        text = (TEMPLATE / f"{name}-tpl").read_text()
        for old, new in in_this_project.items():
            text = text.replace(old, new)
        yield (folder if "/" in name else root) / Path(name).name, text
