import json
import os
from pathlib import Path

import pytest

from rxbridge.django._build import stage, swap
from tests.django_app.site import manage

BUNDLE = ".web/build/client"


def test_bundle_is_built_with_progress_lines(built: Path):
    assert (built / BUNDLE / "index.html").is_file()
    sources = json.loads((built / BUNDLE / ".rxbridge.json").read_text())["sources"]
    assert {"mysite/ui.py", "mysite/steps.py", "rxconfig.py", "assets/logo.txt"} <= sources.keys()
    # Of the project, and nothing of its environment or of what Reflex generates.
    assert {name.partition("/")[0] for name in sources} == {"mysite", "rxconfig.py", "assets"}


def test_check_accepts_a_bundle_of_the_code_as_it_is(built: Path):
    result = manage(built, "export_reflex", "--check")
    assert (result.returncode, "is up to date" in result.stdout) == (0, True), result.stdout


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ("mysite/steps.py", "STEP = 5\n"),
        ("assets/logo.txt", "another\n"),
        ("assets/new.txt", "new\n"),
        ("rxconfig.py", None),
        ("mysite/locale/de/LC_MESSAGES/django.mo", "new\n"),
    ],
)
def test_check_fails_and_names_what_changed(site: Path, changed: str, text: str | None):
    path = site / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.read_text() + "# changed\n" if text is None else text)
    result = manage(site, "export_reflex", "--check")
    assert result.returncode == 1
    assert f"older than the code: {changed} changed" in result.stdout
    assert "Traceback" not in result.stdout


def test_check_ignores_what_the_pages_are_not_made_from(site: Path):
    (site / "mysite" / "urls.py").write_text("urlpatterns = []\n")
    assert manage(site, "export_reflex", "--check").returncode == 0


def test_check_needs_no_node(site: Path):
    result = manage(site, "export_reflex", "--check", PATH="/nowhere")
    assert result.returncode == 0, result.stdout


def test_check_fails_without_a_bundle_and_on_one_of_unknown_age(site: Path):
    (site / BUNDLE / ".rxbridge.json").unlink()
    assert "age cannot be told" in manage(site, "export_reflex", "--check").stdout
    (site / BUNDLE).rename(site / "elsewhere")
    result = manage(site, "export_reflex", "--check")
    assert result.returncode == 1
    assert "There is no bundle" in result.stdout


def test_a_build_that_fails_leaves_the_bundle_and_shows_why(site: Path):
    before = (site / BUNDLE / "index.html").read_bytes()
    (site / "mysite" / "ui.py").write_text("import nothing_of_that_name\n")
    result = manage(site, "export_reflex", "--stage")
    assert result.returncode == 1
    assert "nothing_of_that_name" in result.stdout
    assert (site / BUNDLE / "index.html").read_bytes() == before
    assert not (site / "staticfiles").exists()


def test_stage_puts_a_bundle_below_static_root(site: Path):
    result = manage(site, "export_reflex", "--stage")
    assert result.returncode == 0, result.stdout
    staged = site / "staticfiles" / "_reflex"
    assert files(staged) == files(site / BUNDLE)
    assert os.listdir(staged.parent) == ["_reflex"]
    assert "│" in result.stdout
    assert manage(site, "export_reflex", "--stage", "--check").returncode == 0


@pytest.mark.parametrize("command", [["export_reflex"], ["run_reflex", "--with-vite"]])
def test_where_there_is_no_node_it_says_what_to_install(site: Path, command: list[str]):
    # An interpreter elsewhere, so that the npm beside this one is not found.
    (site / "manage.py").write_text(
        "import os, sys\nsys.executable = '/nowhere/python'\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\n"
        "from django.core.management import execute_from_command_line as run\nrun(sys.argv)\n"
    )
    result = manage(site, *command, PATH="/nowhere")
    assert result.returncode == 1
    assert "pip install 'rxbridge[node]'" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_directory_without_rxconfig_is_refused_with_the_remedy(site: Path):
    (site / "rxconfig.py").unlink()
    result = manage(site, "export_reflex")
    assert result.returncode == 1
    assert "There is no rxconfig.py" in result.stdout


class TestStage:
    def test_old_bundle_is_there_until_the_new_one_is_whole(self, tmp_path: Path, monkeypatch):
        new, target = folder(tmp_path / "new", "2"), folder(tmp_path / "static" / "_reflex", "1")
        seen = []
        rename = Path.rename

        def noted(self: Path, to: Path) -> Path:
            seen.append((target / "page").exists() and (target / "page").read_text())
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", noted)
        stage(new, target)
        # Two renames: until the first the old one is there, after the second the new one.
        assert seen == ["1", False]
        assert (target / "page").read_text() == "2"
        assert (new / "page").exists()
        assert os.listdir(target.parent) == ["_reflex"]

    def test_copying_that_fails_leaves_the_old_bundle(self, tmp_path: Path):
        target = folder(tmp_path / "static" / "_reflex", "1")
        with pytest.raises(FileNotFoundError):
            stage(tmp_path / "missing", target)
        assert (target / "page").read_text() == "1"
        assert os.listdir(target.parent) == ["_reflex"]

    def test_renaming_that_fails_puts_the_old_bundle_back(self, tmp_path: Path):
        target = folder(tmp_path / "_reflex", "1")
        with pytest.raises(FileNotFoundError):
            swap(tmp_path / "missing", target)
        assert (target / "page").read_text() == "1"
        assert os.listdir(tmp_path) == ["_reflex"]


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "page").write_text(text)
    return path


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
