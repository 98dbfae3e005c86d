"""Importing rxbridge changes nothing of anyone else's, and loads no more than it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_public_api import MODULES

PROBE = Path(__file__).parent / "probes"

ASGI_MODULES = [name for name in MODULES if name.startswith("rxbridge.asgi")]


def run_probe(script: str, *arguments: str, cwd: Path | None = None) -> object:
    """Run a script of ``tests/probes`` in a fresh interpreter and return the JSON it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", str(PROBE / script), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_importing_every_module_changes_nothing():
    assert run_probe("imports.py", *MODULES) == []


def test_the_probe_sees_a_patch():
    changed = run_probe("imports.py", "tests.probes.patching")
    assert changed == [
        "django.http.request.HttpRequest.get_host",
        "os.environ",
        "reflex registry: base_states",
        "reflex registry: event_handlers",
        "sys.path",
    ]


@pytest.mark.parametrize("module", ASGI_MODULES)
def test_asgi_loads_neither_django_nor_reflex(module: str):
    assert run_probe("loaded.py", module, "django", "reflex", "reflex_base") == []


@pytest.mark.parametrize("module", ["rxbridge", "rxbridge.errors", "rxbridge.events"])
def test_events_load_without_reflex(module: str):
    assert run_probe("loaded.py", module, "reflex", "reflex_base") == []


def test_reflex_asgi_leaves_the_environment_as_it_was(tmp_path: Path):
    (tmp_path / "rxconfig.py").write_text(
        "import reflex as rx\n"
        "config = rx.Config(app_name='tiny', app_module_import='tiny', telemetry_enabled=False)\n"
    )
    (tmp_path / "tiny.py").write_text(
        "import reflex as rx\napp = rx.App()\napp.add_page(lambda: rx.text('tiny'), route='/')\n"
    )
    assert run_probe("reflex_asgi.py", cwd=tmp_path) == {"callable": True, "changed": []}
    assert not (tmp_path / ".web" / "package.json").exists(), "it compiled"
