"""The help desk of the tutorial: two people in two browsers, and axe-core on what they see."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests import warm
from tests.browser.test_accessibility import faults
from tests.servers import REPOSITORY, run_server
from tests.topologies.garden import lend_packages

PROJECT = REPOSITORY / "examples" / "helpdesk"
PASSWORD = "a-long-one-4711"
_ALAN = f"""\
import django
django.setup()
from accounts.models import Organisation, User
acme = Organisation.objects.get(name="Acme")
User.objects.create_user("alan@acme.example", {PASSWORD!r}, organisation=acme)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "helpdesk.settings",
        "HELPDESK_DATABASE": str(tmp_path / "helpdesk.sqlite3"),
        "HELPDESK_MEDIA": str(tmp_path / "media"),
    }


def python(environment: dict[str, str], *arguments: str, check: bool = True) -> int:
    command = [sys.executable, *arguments]
    path = os.pathsep.join(map(str, (PROJECT, REPOSITORY)))
    environment = {**os.environ, **environment, "PYTHONPATH": path}
    return warm.run(command, cwd=PROJECT, env=environment, check=check).returncode


@pytest.fixture
def url(environment: dict[str, str]) -> Iterator[str]:
    """Serve the help desk, its pages built and its database empty."""
    if python(environment, "manage.py", "export_reflex", "--check", check=False):
        lend_packages(PROJECT, ".web/rxbridge")
        python(environment, "manage.py", "export_reflex")
    python(environment, "manage.py", "migrate", "--verbosity=0")
    application = "helpdesk.asgi:application"
    with run_server("uvicorn", application, env=environment, cwd=PROJECT) as server:
        yield server.url


@contextlib.contextmanager
def opened(chromium: Browser, url: str) -> Iterator[Page]:
    """Open a page in a browser of its own; its console may not complain."""
    context, complaints = chromium.new_context(), list[str]()
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda each: is_complaint(each) and complaints.append(each.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    yield page
    context.close()
    assert complaints == []


def is_complaint(message: ConsoleMessage) -> bool:
    # The site has no icon, and browsers ask for one.
    return message.type == "error" and not message.location["url"].endswith("/favicon.ico")


def send(page: Page, form: str, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"#{form}-{name}", value)
    page.click("form button[type=submit]")


def at_rest(page: Page) -> list[str]:
    """Return axe-core's faults with the mouse on nothing: what it is on has other colours."""
    page.mouse.move(1, 1)
    return faults(page)


def test_two_people_see_each_others_tickets_comments_and_files(
    chromium: Browser, url: str, environment: dict[str, str], tmp_path: Path
) -> None:
    found = list[str]()
    with opened(chromium, url + "/register") as ada, opened(chromium, url + "/") as alan:
        found += at_rest(ada)
        passwords = {"password1": PASSWORD, "password2": PASSWORD}
        send(ada, "registration", email="ada@acme.example", organisation="Acme", **passwords)
        expect(ada.get_by_role("heading", name="Tickets")).to_be_visible()
        python(environment, "-c", _ALAN)
        found += at_rest(alan)
        send(alan, "login", username="ALAN@acme.example", password=PASSWORD)
        expect(alan.get_by_text("There is nothing to do.")).to_be_visible()

        ada.bring_to_front()
        ada.get_by_role("button", name="New ticket").click()
        found += at_rest(ada)
        ada.get_by_label("What does not work?").fill("The printer")
        ada.get_by_label("Tell us more").fill("It is on fire.")
        ada.get_by_role("button", name="Save").click()
        expect(ada.get_by_role("link", name="The printer")).to_be_visible()
        alan.bring_to_front()
        alan.get_by_role("link", name="The printer").click()
        expect(alan.get_by_role("heading", name="The printer")).to_be_visible()

        ada.get_by_role("link", name="The printer").click()
        expect(ada.get_by_text("It is on fire.")).to_be_visible()
        alan.get_by_label("Comment").fill("Which one?")
        alan.get_by_role("button", name="Send").click()
        expect(ada.get_by_text("Which one?")).to_be_visible()
        (tmp_path / "smoke.txt").write_text("grey")
        ada.set_input_files("input[type=file]", tmp_path / "smoke.txt")
        with alan.expect_download() as download:
            alan.get_by_role("link", name="smoke.txt").click()
        assert download.value.path().read_text() == "grey"
        found += at_rest(alan)

        alan.get_by_label("Language").select_option("de")
        alan.get_by_role("button", name="Erledigt").click()
        expect(alan.get_by_role("button", name="Wieder öffnen")).to_be_visible()
        expect(ada.get_by_role("button", name="Open it again")).to_be_visible()
        alan.get_by_role("link", name="Hilfe").click()
        expect(alan.get_by_role("heading", name="Tickets")).to_be_visible()
        found += at_rest(alan)
        alan.goto(url + "/ticket/0")
        expect(alan.get_by_role("heading", name="Ticket", exact=True)).to_be_visible()
        expect(alan.get_by_text("Dieses Ticket gibt es nicht oder nicht mehr.")).to_be_visible()
        expect(alan.get_by_role("button", name="Senden")).not_to_be_attached()
        alan.get_by_role("button", name="Abmelden").click()
        expect(alan.get_by_label("Passwort")).to_be_visible()
        expect(alan.get_by_role("link", name="Organisation anlegen")).to_be_visible()
    assert not found, "\n".join(found)
