"""One colour mode for Reflex's pages and Django's admin."""

import re
from typing import Any

import reflex as rx

_FILE = "utils/react-theme.js"
# In double quotes, which what takes their place has not, as it is given this file again.
_READ = re.compile(r'localStorage\.getItem\("theme"\)')
_WRITTEN = re.compile(r'localStorage\.setItem\("theme", ([\w.]+)\)')


class AdminColorMode(rx.plugins.Plugin):
    """Let pages and admin follow each other's colour mode: ``plugins=[AdminColorMode()]``.

    Both keep it in the browser under the same key. What Reflex calls "system" is "auto" to the
    admin, and each writes an error to the console for the other's word. With this plugin in
    ``rxconfig.py``, pages use the admin's.
    """

    def pre_compile(self, **context: Any) -> None:
        """Change the words where Reflex reads and writes them."""
        context["add_modify_task"](_FILE, _in_the_admins_words)


def _in_the_admins_words(script: str) -> str:
    script = _READ.sub(
        r"(localStorage.getItem('theme')?.replace('auto', 'system') ?? null)", script
    )
    return _WRITTEN.sub(r"localStorage.setItem('theme', \1.replace('system', 'auto'))", script)
