"""The two ends of the version matrix: ``nox``, or ``nox -s lowest``.

``make`` does the same without nox, and installs what PyPI does not have.
"""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Django's LTS and the oldest Reflex that works."""
    run_tests(session, "constraints/py311-lowest.txt")


@nox.session(python="3.15")
def newest(session: nox.Session) -> None:
    """The newest of all."""
    run_tests(session, "constraints/newest.txt")


def run_tests(session: nox.Session, constraints: str) -> None:
    """Run the suite with the pinned versions; ``nox -- tests/asgi`` runs a part of it."""
    session.install("--constraint", constraints, "--upgrade", "pip")
    session.install("--constraint", constraints, "--editable", ".", "--group", "test")
    session.env["REFLEX_USE_NPM"] = "1"
    session.run("python", "-m", "pytest", *session.posargs)
