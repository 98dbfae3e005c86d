"""A fork of the warm interpreter is to its parent, and to what it runs, as a fresh one is."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import warm

# What a process can see of how it was started.
SEEN = """\
import os, signal, sys
print(sys.argv, len(sys.orig_argv), os.getcwd(), sorted(os.environ), os.environ["OWN"])
print(sys.path, __name__, sys.stdin.read(), os.getppid(), os.getsid(0) == os.getpid())
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
print(sorted(os.listdir("/proc/self/fd")), os.umask(0), sys.stdout.encoding, file=sys.stderr)
"""
ENDINGS = ["pass", "raise SystemExit(7)", "1 / 0", "raise KeyboardInterrupt"]
ENDINGS += ["import os; os.kill(os.getpid(), 15)", "import atexit; atexit.register(print, 'late')"]


def outcome(process: Any, command: list[str], **options: Any) -> tuple[Any, ...]:
    with process(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as running:
        output, errors = running.communicate("told")
    return output.splitlines(), errors.splitlines()[-1:], running.returncode


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN], ids=repr)
@pytest.mark.parametrize("new_session", [True, False])
@pytest.mark.parametrize("way", [["seen.py"], ["-m", "seen"], ["-c", SEEN]], ids=lambda way: way[0])
def test_same_is_seen_from_inside(way, new_session, handler, tmp_path: Path):
    (tmp_path / "seen.py").write_text(SEEN)
    own = {"PYTHONPATH": "/elsewhere", "PYTHONUNBUFFERED": "1", "OWN": "own"}
    options = {"cwd": tmp_path, "env": {**os.environ, **own}, "start_new_session": new_session}
    before = signal.signal(signal.SIGINT, handler)
    try:
        fresh = outcome(subprocess.Popen, [*way, "a", "-b"], **options)
        assert outcome(warm.Popen, [*way, "a", "-b"], **options) == fresh
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("code", ENDINGS)
def test_same_is_seen_of_its_end(code: str):
    fresh = outcome(subprocess.Popen, ["-c", code])
    assert outcome(warm.Popen, ["-c", code]) == fresh


def test_modules_are_there_and_settings_are_not():
    code = "import sys; print('reflex.app' in sys.modules, 'rxbridge' in sys.modules);"
    code += "from django.conf import settings; print(settings.configured)"
    assert outcome(warm.Popen, ["-c", code])[0] == ["True False", "False"]


def test_failure_raises_where_it_is_checked():
    command = [sys.executable, "-c", "print(input()); raise SystemExit(3)"]
    with pytest.raises(subprocess.CalledProcessError) as failure:
        warm.run(command, check=True, input="told\n", stdout=subprocess.PIPE, text=True)
    assert (failure.value.returncode, failure.value.output) == (3, "told\n")
