"""``manage.py export_reflex``: build the pages for production."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rxbridge.django._build import FIRST_BUILD, build, stage, terminable
from rxbridge.django._project import STAGED, Project, Stamp
from rxbridge.errors import RxBridgeError

_LISTED = 5


class Command(BaseCommand):
    """Build the bundle, copy it to where static files are served from, or say if it is stale."""

    help = "Builds the Reflex pages for production."
    # The checks warn of a bundle that is missing or stale, which is why this was run.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--stage`` and ``--check``."""
        parser.add_argument(
            "--stage",
            action="store_true",
            help=f"Copy the bundle to STATIC_ROOT/{STAGED}, in one step.",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="Build nothing; fail if the bundle is older than the code that made it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Do what the options say."""
        staged = staged_bundle() if options["stage"] else None
        try:
            project = Project.find()
            if options["check"]:
                self._check(project, staged or project.bundle)
                return
            self.stdout.write(FIRST_BUILD)
            with terminable():
                asyncio.run(build(project, lambda line: self.stdout.write(f"  │ {line}")))
        except RxBridgeError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(self.style.SUCCESS(f"Built {project.bundle}"))
        if staged:
            stage(project.bundle, staged)
            self.stdout.write(f"Staged it to {staged}")

    def _check(self, project: Project, bundle: Path) -> None:
        if not bundle.is_dir():
            msg = f"There is no bundle in {bundle}. Build it: manage.py export_reflex"
            raise CommandError(msg)
        stamp = Stamp.of(bundle)
        if stamp is None:
            msg = f"{bundle} was not built by export_reflex, so its age cannot be told; rebuild it."
            raise CommandError(msg)
        if changes := project.changes_since(stamp):
            more = f" and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
            msg = (
                f"{bundle} is older than the code: {', '.join(changes[:_LISTED])}{more} changed. "
                "Rebuild it: manage.py export_reflex"
            )
            raise CommandError(msg)
        self.stdout.write(f"{bundle} is up to date.")


def staged_bundle() -> Path:
    """Return where ``--stage`` puts the bundle."""
    if not settings.STATIC_ROOT:
        msg = "--stage copies the bundle below STATIC_ROOT, which is not set."
        raise CommandError(msg)
    return Path(settings.STATIC_ROOT).resolve() / STAGED
