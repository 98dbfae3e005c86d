"""What is shown of code of the project that cannot be imported."""

import logging
import traceback
from pathlib import Path

from rxbridge.errors import RxBridgeError


def shown(error: Exception, root: Path) -> str:
    """Return the traceback of ``error``, from where the code below ``root`` begins in it.

    What is ours and has none of the project's code in it is no more than its message.
    """
    step = error.__traceback__
    while step is not None and not is_own(Path(step.tb_frame.f_code.co_filename), root):
        step = step.tb_next
    if step is None and isinstance(error, RxBridgeError):
        return str(error)
    lines = traceback.format_exception(type(error), error, step or error.__traceback__)
    return "".join(lines).rstrip()


class OneReport(logging.Filter):
    """Shows a handler's exception once, from where the code below ``root`` begins.

    Django writes it first, to ``django.request``, then Reflex by default, to ``reflex.app``.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._told: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what was told a moment ago."""
        if record.exc_info and isinstance(record.exc_info[1], Exception):
            record.exc_text = shown(record.exc_info[1], self._root)
            self._told = record.exc_text.splitlines()[-1]
        elif self._told is not None and self._told in record.getMessage():
            self._told = None
            return False
        return True


def is_own(file: Path, root: Path) -> bool:
    """Tell whether a file is the project's, and not one of an environment below ``root``."""
    if not file.is_relative_to(root):
        return False
    parts = file.relative_to(root).parts
    return not any(part.startswith(".") or part == "site-packages" for part in parts)
