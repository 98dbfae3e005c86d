"""Python processes that are forked from an interpreter with Django, Reflex and uvicorn loaded.

A fresh one takes a second of the processor to load them. Otherwise the fork is what a fresh one
is: a child of this process, with the directory, environment, search path, streams and group that
``subprocess`` would give it. What is about imports, or has options for Python itself, is for a
fresh one.
"""

import atexit
import ctypes
import functools
import json
import multiprocessing.process
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from typing import Any

_BECOME_PARENT_OF_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_LONGEST_REQUEST = 1 << 20
_lock = threading.Lock()


class Popen(subprocess.Popen[Any]):
    """``subprocess.Popen`` of ``[sys.executable, …]``: a module, a file, or code after ``-c``."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest):
        pipes, new_session = rest[3:9], rest[-2]
        request = {
            "command": [os.fspath(each) for each in args[1:]],
            "directory": os.fspath(cwd or os.getcwd()),
            "environment": dict(os.environ if env is None else env),
            "new_session": new_session,
            "ignores_interrupts": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        }
        streams = [
            own if given == -1 else given
            for own, given in enumerate((pipes[0], pipes[3], pipes[5]))
        ]
        with _lock:
            self.pid = _interpreter().fork(json.dumps(request), streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def run(
    command: list[str],
    *,
    check: bool = False,
    input: str | None = None,  # noqa: A002 - as there
    timeout: float | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """``subprocess.run``, forked."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with Popen(command, **options) as process:
        try:
            output, errors = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(command, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done


class _Interpreter:
    """The warm interpreter, at the other end of a socket."""

    def __init__(self) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", __file__]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(command, stdin=theirs, env=environment)
        theirs.close()
        atexit.register(self._stop)

    def fork(self, request: str, streams: list[int]) -> int:
        """Return the identity of a new child of this process."""
        prctl = ctypes.CDLL(None).prctl
        prctl(_BECOME_PARENT_OF_ORPHANS, 1)
        try:
            socket.send_fds(self._link, [request.encode()], streams)
            child = int(self._link.recv(32))
            self._link.recv(1)
        finally:
            prctl(_BECOME_PARENT_OF_ORPHANS, 0)
        return child

    def _stop(self) -> None:
        self._link.close()
        self._process.wait()


@functools.cache
def _interpreter() -> _Interpreter:
    return _Interpreter()


def _serve(link: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request; return in the child, with the request and the streams."""
    while True:
        request, streams, _, _ = socket.recv_fds(link, _LONGEST_REQUEST, 3)
        if not request:
            os._exit(0)
        if between := os.fork():
            for stream in streams:
                os.close(stream)
            os.waitpid(between, 0)
            link.send(b".")  # The child is an orphan now, and has been given its new parent.
            continue
        between = os.getpid()
        if child := os.fork():
            link.send(b"%d" % child)
            os._exit(0)
        while os.getppid() == between:
            time.sleep(0.001)
        return json.loads(request), streams


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Be the interpreter that was asked for, and run what it is to run."""
    if request["new_session"]:
        os.setsid()
    ignores = request["ignores_interrupts"]
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignores else signal.default_int_handler)
    for own, given in enumerate(streams):
        os.dup2(given, own)
    os.closerange(3, max(*streams, 64) + 1)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()
    command = request["command"]
    sys.orig_argv = [sys.executable, *command]
    first, *sys.argv = command
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    beside = {"-m": request["directory"], "-c": ""}
    sys.path.insert(0, beside.get(first, os.path.dirname(os.path.realpath(first))))
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if first == "-m":
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        code, sys.argv[0] = sys.argv[0], "-c"
        exec(code, main.__dict__)
    else:
        sys.argv.insert(0, first)
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    import gc
    from importlib import import_module

    # Of Django what can be had without settings.
    LOADED = (
        "django.contrib.admin.widgets django.contrib.sessions.middleware django.core.asgi"
        " django.core.management django.db.backends.sqlite3.base django.db.migrations.executor"
        " django.template.backends.django django.views.generic granian.server"
        " reflex.app reflex.istate.manager.disk reflex.istate.manager.memory"
        " uvicorn.lifespan.on uvicorn.loops.auto uvicorn.main"
        " uvicorn.protocols.http.auto uvicorn.protocols.websockets.auto"
    )
    for name in LOADED.split():
        import_module(name)
    gc.freeze()
    # For granian's workers, as it is before Python 3.14.
    multiprocessing.set_start_method("fork")
    _become(*_serve(socket.socket(fileno=0)))
