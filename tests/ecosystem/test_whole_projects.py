"""Whole projects, as docs/whole-projects.md says: a Wagtail site, and an API beside the pages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app
from tests.events.wire import connect
from tests.markdown import blocks
from tests.servers import REPOSITORY, run_server

BLOCKS = [block for _, _, block in blocks((REPOSITORY / "docs" / "whole-projects.md").read_text())]
WAGTAIL, API = BLOCKS[:4], BLOCKS[4:]
BOARD = "reflex___state____state.mysite___ui____board"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A project that ``wagtail start`` made, with the files of the page, a database and a user."""
    run("-m", "wagtail.bin.wagtail", "start", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"
    for block in WAGTAIL:
        first, _, text = block.partition("\n")
        with (project / first.split()[-1]).open("a") as file:
            file.write(f"\n{text}\n")
    run("manage.py", "migrate", "--verbosity=0", cwd=project)
    run("manage.py", "createsuperuser", "--noinput", "--username=ada", "--email=", cwd=project)
    return project


def run(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "mysite.settings.dev",
    "DJANGO_SUPERUSER_PASSWORD": "ada-pass",
    "PYTHONPATH": str(REPOSITORY),
}


async def test_wagtail_with_a_page_of_reflex_below_a_prefix(site: Path):
    assert re.findall(r"\w+\.[WE]\d+", run("manage.py", "check", cwd=site)) == []
    with run_server("uvicorn", "mysite.asgi:application", env=ENVIRONMENT, cwd=site) as server:
        async with httpx.AsyncClient(base_url=server.url, follow_redirects=True) as browser:
            assert "Welcome to your new Wagtail site" in (await browser.get("/")).text
            # Its pages are not built here.
            assert "not built yet" in (await browser.get("/board/")).text
            login = await browser.get("/admin/")
            [token] = set(re.findall('name="csrfmiddlewaretoken" value="(.+)"', login.text))
            form = {"username": "ada", "password": "ada-pass", "csrfmiddlewaretoken": token}
            admin = await browser.post("/admin/login/", data=form)
            assert (admin.url.path, admin.status_code) == ("/admin/", 200)
            cookies = dict(browser.cookies)
        for signed_in, name in ({}, "nobody"), (cookies, "ada"):
            ws_url = f"{server.ws_url}/board"
            async with connect(ws_url, cookies=signed_in, origin=server.url) as tab:
                await tab.fire(f"{BOARD}.load")
                await tab.var("name", name)
                await tab.var("titles", ["Home"])


@pytest.mark.django_db(transaction=True)
async def test_user_of_the_api_is_the_page_s(settings):
    code = {"__name__": "mysite_urls"}
    exec(API[1], code)
    settings.ROOT_URLCONF = ModuleType("mysite_urls")
    settings.ROOT_URLCONF.urlpatterns = code["urlpatterns"]
    code = {"__name__": "mysite_ui"}
    exec(API[2], code)
    ada = await User.objects.acreate_user("ada")
    async with EventClient(bridged_app(), user=ada) as tab:
        await tab.load("/")
        [event] = (await tab.fire(code["Desk"].ask)).events
        [headers] = re.findall("headers: ({.+?})", event.payload["javascript_code"])
        browser = Client(enforce_csrf_checks=True)
        browser.cookies.load(dict(tab.cookies))
        answer = await sync_to_async(browser.post)("/api/me/", headers=json.loads(headers))
        fired = await tab.fire(code["Desk"].told, answer=answer.json())
        assert fired.vars["name"] == "ada"
        assert (await sync_to_async(browser.post)("/api/me/")).status_code == 403
    assert (await sync_to_async(Client().get)("/api/me/")).status_code == 403
