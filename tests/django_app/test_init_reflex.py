"""The files of a first page, written into a project that exists."""

import sys
from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.test import override_settings

from rxbridge.django.management.commands.init_reflex import first_page
from tests import warm
from tests.django_app.site import environment, manage
from tests.test_newcomer import files

urlpatterns: list[object] = []
SETTINGS = '\nINSTALLED_APPS += ["rxbridge.django"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    startproject = [sys.executable, "-m", "django", "startproject", "mysite"]
    warm.run(startproject, cwd=tmp_path, env=environment(), check=True)
    with (tmp_path / "mysite/mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    return tmp_path / "mysite"


def test_files_are_written_and_a_changed_one_after_a_diff_and_a_yes(project: Path):
    asgi = project / "mysite/asgi.py"
    before = asgi.read_text()
    refused = manage(project, "init_reflex", "--no-input")
    assert refused.returncode == 1
    assert f"Not changed: {asgi}. Run it without --no-input to be asked." in refused.stdout
    said_no = manage(project, "init_reflex", answer="n\n")
    assert said_no.returncode == 0
    for shown in (refused, said_no):
        assert f"--- {asgi}\n+++ {asgi}, new\n" in shown.stdout
        assert "\n-application = get_asgi_application()\n" in shown.stdout
        assert "\n+application = PrefixRouter(\n" in shown.stdout
    assert 'ASGI_APPLICATION = "mysite.asgi.application"' in said_no.stdout
    assert asgi.read_text() == before
    said_yes = manage(project, "init_reflex", answer="y\n")
    assert f"Wrote {asgi}" in said_yes.stdout
    for name, (text, at_the_end) in files().items():
        assert at_the_end or (project / name).read_text() == text
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write('ASGI_APPLICATION = "mysite.asgi.application"\n')
    again = manage(project, "init_reflex", "--no-input")
    assert again.returncode == 0
    assert "Wrote" not in again.stdout
    assert "ASGI_APPLICATION" not in again.stdout


def test_names_and_addresses_are_those_of_the_project():
    with override_settings(ROOT_URLCONF=__name__):
        written = {path.name: (path.parent, text) for path, text in first_page("tests.django_app")}
    here = Path(__file__).parent
    assert {name: folder for name, (folder, _) in written.items()} == {
        "rxconfig.py": here.parents[1],
        "ui.py": here,
        "asgi.py": here,
    }
    assert 'app_name="tests", app_module_import="tests.django_app.ui"' in written["rxconfig.py"][1]
    asgi = written["asgi.py"][1]
    assert '"DJANGO_SETTINGS_MODULE", "tests.settings"' in asgi
    assert "from tests.django_app.ui import app, connections" in asgi
    assert "dict.fromkeys([], views)" in asgi
    assert "{{" not in "".join(text for _, text in written.values())


@pytest.mark.parametrize("package", ["", "json.decoder"])
def test_project_that_is_no_package_is_refused(package: str):
    with pytest.raises(CommandError, match="is in no package"):
        list(first_page(package))
