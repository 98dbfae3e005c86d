"""Each fault amid the clicks of a real browser, and what became of them: a table for the docs."""

import argparse
from collections.abc import Iterator
from importlib.metadata import version

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.running import build
from tests.faults import faults
from tests.faults.faults import Fault
from tests.faults.visits import Visit
from tests.faults.workers import run_stage
from tests.servers import KINDS, REPOSITORY

PAGE = REPOSITORY / "docs" / "faults.md"
TOPOLOGIES = [(kind, count) for count in (1, 2) for kind in KINDS]
FAULTS: dict[str, tuple[Fault, bool]] = {
    "The network dies in silence for two seconds": (faults.fall_silent, False),
    "The network cuts the sockets": (faults.cut, False),
    "Everything is 0.8 s late for 5 s": (faults.be_slow, False),
    "The worker is killed (SIGKILL)": (faults.kill, False),
    "The workers are restarted in turn (SIGTERM)": (faults.restart, False),
    "A release adds a var to the state": (faults.release, False),
    "The database is locked for 5 s": (faults.lock_database, False),
    "Redis hangs for 5 s": (faults.stall_redis, True),
}
"""Each with whether it needs Redis."""


def rows(only: str) -> Iterator[str]:
    """Yield the table's rows, with what was seen printed meanwhile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for name, (fault, needs_redis) in FAULTS.items():
            if only not in name:
                continue
            cells = []
            for kind, count in TOPOLOGIES:
                if needs_redis and count == 1:
                    cells.append("")
                    continue
                with run_stage(kind, count) as stage:
                    context = browser.new_context()
                    visit = Visit(context.new_page(), stage)
                    visit.sign_in()
                    cells.append(str(visit.suffer(fault)))
                    context.close()
                print(f"{name}, {kind}, {count}: {cells[-1]}", flush=True)
            yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Try the faults, and put the table into its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="a part of a fault's name")
    only = parser.parse_args().only
    build()
    made = list(rows(only))
    if not only:
        heads = [f"{count} on {kind} {version(kind)}" for kind, count in TOPOLOGIES]
        table = [f"| fault | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|", *made]
        text = PAGE.read_text()
        begin, end = "<!-- made by make faults -->\n", "<!-- end -->"
        head, rest = text.split(begin)
        PAGE.write_text(f"{head}{begin}\n" + "\n".join(table) + f"\n\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main()
