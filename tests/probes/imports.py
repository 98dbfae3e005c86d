"""Import the modules named as arguments; print what that changed outside of them, as JSON."""

import importlib
import json
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import reflex
import reflex_base
import socketio
import starlette
from reflex_base.registry import RegistrationContext

WATCHED = (django, reflex, reflex_base, socketio, starlette)
NAMES = tuple(package.__name__ for package in WATCHED)

# What Reflex and Django change of themselves as they load their own parts is none of ours.
PRELOADED = (
    "django.contrib.auth.models",
    "django.contrib.messages",
    "django.core.handlers.asgi",
    "django.middleware.csrf",
    "django.test",
    "reflex.app",
    "reflex.istate.manager.memory",
    "reflex.middleware",
    "reflex.state",
    "reflex_base.event.processor.base_state_processor",
    "starlette.responses",
)

# From Python 3.15 on, what stands for a name that is not loaded yet.
LAZY = getattr(types, "LazyImportType", ())


def watched_modules() -> list[types.ModuleType]:
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] in NAMES and isinstance(module, types.ModuleType)
    ]


def attributes(module: types.ModuleType) -> Iterator[tuple[str, object]]:
    """Every attribute of the module, and of the classes it defines."""
    for name, value in vars(module).items():
        if name.startswith("__") or isinstance(value, (types.ModuleType, LAZY)):
            continue
        yield f"{module.__name__}.{name}", value
        if isinstance(value, type) and value.__module__ == module.__name__:
            for attribute, inner in vars(value).items():
                if not attribute.startswith(("__weak", "__dict__", "_abc", "__subclass")):
                    yield f"{module.__name__}.{name}.{attribute}", inner


def snapshot() -> dict[str, object]:
    """Everything watched, by name. The values are kept, so an identity is never used twice."""
    found: dict[str, object] = {}
    for module in watched_modules():
        found.update(attributes(module))
    return found


def registries() -> dict[str, int]:
    """The sizes of Reflex's registries."""
    context = RegistrationContext.get()
    values = ((field.name, getattr(context, field.name)) for field in fields(context))
    return {name: len(value) for name, value in values if hasattr(value, "__len__")}


def main() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    modules = watched_modules()
    # dir() of a package that loads lazily names what it has not loaded yet.
    promised = {f"{module.__name__}.{name}" for module in modules for name in dir(module)}
    before, environment, path, registered = snapshot(), dict(os.environ), [*sys.path], registries()

    for name in sys.argv[1:]:
        importlib.import_module(name)

    after = dict(pair for module in modules for pair in attributes(module))
    changed = [name for name, value in before.items() if after.get(name) is not value]
    changed += after.keys() - before.keys() - promised
    if dict(os.environ) != environment:
        changed.append("os.environ")
    if sys.path != path:
        changed.append("sys.path")
    for name, size in registries().items():
        if size != registered[name]:
            changed.append(f"reflex registry: {name}")
    print(json.dumps(sorted(changed)))


main()
