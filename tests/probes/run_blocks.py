"""Run the Python blocks of each Markdown file that a line of the input names.

For each file a line of JSON is printed: what failed, by line. Each block runs in a process of its
own, forked from one that has loaded Django, Reflex and rxbridge.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

# Loaded once, for every block.
import reflex.app  # noqa: F401

import rxbridge.asgi
import rxbridge.django
import rxbridge.events
import rxbridge.state
import rxbridge.testing  # noqa: F401
from tests.markdown import python_blocks


def run(block: str, path: Path, line: int) -> str:
    """Run a block in a fork; return its traceback, or nothing."""
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            try:
                # As many lines above it as in the file, so that a traceback names the right one.
                code = compile("\n" * line + block, str(path), "exec")
                exec(code, {"__name__": "__main__", "__file__": str(path)})
            except BaseException:
                said.write(traceback.format_exc().encode())
                said.flush()
            os._exit(0)
        os.waitpid(child, 0)
        said.seek(0)
        return said.read().decode()


# The answers are alone on the output; what blocks print goes where their warnings go.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for named in sys.stdin:
    path = Path(named.rstrip("\n"))
    outcomes = {line: run(block, path, line) for line, block in python_blocks(path.read_text())}
    print(json.dumps({line: error for line, error in outcomes.items() if error}), file=answers)
    answers.flush()
