"""Runs a command of Reflex, and notes which of the project's files it was made from.

    python -m rxbridge.django._reflex_cli NOTE export --frontend-only

A process of its own, as what it imports must be the code as it is on disk now.
"""

import json
import runpy
import sys
from pathlib import Path

from rxbridge.django._failure import is_own, shown


def main() -> None:
    """Run ``reflex`` with the arguments after the first; write the list of files to the first."""
    note = Path(sys.argv.pop(1))
    try:
        runpy.run_module("reflex", run_name="__main__", alter_sys=True)
    except Exception as error:
        sys.exit(shown(error, Path.cwd()))
    finally:
        note.write_text(json.dumps(loaded_files(Path.cwd())))


def loaded_files(root: Path) -> list[str]:
    """The files below ``root`` that modules were loaded from, but for an environment's."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    paths = {Path(file).resolve() for file in files if file}
    return sorted(path.relative_to(root).as_posix() for path in paths if is_own(path, root))


if __name__ == "__main__":
    main()
