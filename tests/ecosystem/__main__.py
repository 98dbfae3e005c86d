"""Run the tests of packages, each in a process and with settings of its own.

``scripts/test_ecosystem.sh`` calls it, with what they need. The processes are forks of this one,
which has imported Reflex: that takes half as long as a package's tests.
"""

import os
import re
import sys
from tempfile import TemporaryFile

import pytest
import reflex as rx

_LOADED = rx.App, rx.State, rx.event  # Imported when they are asked for.
# What the packages themselves do that is deprecated does not count.
_IGNORED = "::DeprecationWarning", "::PendingDeprecationWarning", ":pkg_resources is deprecated"
_IGNORED += (":Module already imported so cannot be rewritten",)
_OPTIONS = ["--quiet", "-p", "no:cacheprovider", *(f"-Wignore{each}" for each in _IGNORED)]


def run(package: str) -> tuple[int, str]:
    """Run a package's tests; return pytest's status and what it wrote."""
    with TemporaryFile("w+") as output:
        if (child := os.fork()) == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.environ["DJANGO_SETTINGS_MODULE"] = f"tests.ecosystem.settings.{package}"
            status = pytest.main([*_OPTIONS, f"tests/ecosystem/test_{package}.py"])
            sys.stdout.flush()
            os._exit(status)
        _, ended = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(ended), output.read()


def counted(output: str, what: str) -> int:
    """Return how many tests pytest's last line says were ``what``, a regular expression."""
    [last] = re.findall(r"^.* in [\d.]+s.*$", output, re.MULTILINE)[-1:] or [""]
    return sum(map(int, re.findall(rf"(\d+) (?:{what})", last)))


def main(packages: list[str]) -> int:
    """Run the tests of all; return 0 if some passed and none failed."""
    passed = failed = 0
    for package in packages:
        print(f"{package:18}", end="", flush=True)
        status, output = run(package)
        passed += (good := counted(output, "passed"))
        if status:
            failed += max(counted(output, "failed|errors?"), 1)
        print(f"FAILED\n{output}" if status else f"{good} passed", flush=True)
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
