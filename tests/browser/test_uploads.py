"""An upload is made by whose cookies come with it, and goes through memory in pieces."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.running import NOBODY, Club, Guest, Tab
from tests.servers import KINDS

Arrive = Callable[[Club], Guest]
both_servers = pytest.mark.parametrize("club", KINDS, indirect=True)
both_ways = pytest.mark.parametrize("button", ["send", "stream"])

CONTENT = b"0123456789" * 10_000
MEGABYTE = 1024 * 1024


def upload(tab: Tab, button: str, file: Path) -> None:
    tab.page.set_input_files("input[type=file]", file)
    tab.page.get_by_test_id(button).click()


def open_upload_page(guest: Guest, name: str) -> Tab:
    if name == NOBODY:
        return guest.open("/upload")
    tab = guest.open("/login?next=/upload")
    tab.sign_in(name)
    tab.shows(name)
    return tab


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.bin"
    file.write_bytes(CONTENT)
    return file


@both_servers
@both_ways
@pytest.mark.parametrize("name", ["ada", NOBODY])
def test_upload_is_made_by_the_visitor(
    club: Club, arrive: Arrive, file: Path, button: str, name: str
) -> None:
    tab = open_upload_page(arrive(club), name)
    upload(tab, button, file)
    expect(tab.page.get_by_test_id("uploaded")).to_have_text(f"{len(CONTENT)} bytes by {name}")


@both_ways
@pytest.mark.parametrize("name", ["bob", NOBODY])
def test_upload_by_a_tab_of_one_user_with_the_cookies_of_another_is_the_other_s(
    club: Club, arrive: Arrive, file: Path, button: str, name: str
) -> None:
    guest, other = arrive(club), arrive(club)
    tab = open_upload_page(guest, "ada")
    open_upload_page(other, name)
    guest.session = other.session
    upload(tab, button, file)
    expect(tab.page.get_by_test_id("uploaded")).to_have_text(f"{len(CONTENT)} bytes by {name}")


@pytest.mark.parametrize("name", ["ada", NOBODY])
def test_upload_of_200_mb_is_streamed_with_flat_memory(
    club: Club, arrive: Arrive, tmp_path: Path, name: str
) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        file.truncate(200 * MEGABYTE)
    process = club.servers[0].process.pid
    tab = open_upload_page(arrive(club), name)
    forget_peak(process)
    before = peak(process)
    upload(tab, "stream", big)
    said = f"{200 * MEGABYTE} bytes by {name}"
    expect(tab.page.get_by_test_id("uploaded")).to_have_text(said, timeout=60_000)
    grown = (peak(process) - before) / MEGABYTE
    print(f"grown by {grown:.0f} MB at the most")
    assert grown < 40


def peak(process: int) -> int:
    """Return how many bytes of memory a process had at the most since ``forget_peak``."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def forget_peak(process: int) -> None:
    Path(f"/proc/{process}/clear_refs").write_text("5")
