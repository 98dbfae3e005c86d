"""Run the tests of packages, each in a process and with settings of its own.

``scripts/test_ecosystem.sh`` calls it, with what they need.
"""

import os
import re
import sys
from subprocess import PIPE, STDOUT

from tests import warm

# What the packages themselves do that is deprecated does not count.
_IGNORED = "::DeprecationWarning", "::PendingDeprecationWarning", ":pkg_resources is deprecated"
_IGNORED += (":Module already imported so cannot be rewritten",)
_OPTIONS = ["--quiet", "-p", "no:cacheprovider", *(f"-Wignore{each}" for each in _IGNORED)]


def run(package: str) -> tuple[int, str]:
    """Run a package's tests; return pytest's status and what it wrote."""
    tests = f"tests/ecosystem/test_{package}.py"
    settings = {"DJANGO_SETTINGS_MODULE": f"tests.ecosystem.settings.{package}"}
    done = warm.run(
        [sys.executable, "-m", "pytest", *_OPTIONS, tests],
        env={**os.environ, **settings},
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


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
