"""Statements are shown without what could be a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbridge.trace._sql import KEPT, without_literals

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        (
            'SELECT "auth_user"."id", "auth_user"."password" FROM "auth_user" WHERE a = %s LIMIT 1',
            "SELECT … FROM auth_user WHERE a = %s LIMIT ?",
        ),
        (
            "SELECT `auth_user`.`id` FROM `auth_user`",
            "SELECT auth_user.id FROM auth_user",
        ),
        (
            'INSERT INTO "auth_group" ("name") VALUES (%s), (%s), (%s), (%s)',
            "INSERT INTO auth_group (name) VALUES (%s), (%s), (%s), (%s)",
        ),
        (
            'DELETE FROM "auth_group" WHERE "auth_group"."id" IN (%s, %s, %s, %s)',
            "DELETE FROM auth_group WHERE auth_group.id IN (%s, …)",
        ),
        (
            'SELECT U0."id" FROM "auth_group" T3 WHERE T3."id" > %(low)s',
            "SELECT U0.id FROM auth_group T3 WHERE T3.id > %(low)s",
        ),
        ("SELECT\n  1\n", "SELECT ?"),
        ("", ""),
    ],
)
def test_what_the_orm_writes_stays_readable(sql: str, shown: str):
    assert without_literals(sql) == shown


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t WHERE a = 'hunter2'",
        "SELECT * FROM t WHERE a = 'it''s' AND b = 'hunter2'",
        "SELECT * FROM t WHERE a = ''AND b = 'hunter2'",
        r"SELECT 'C:\', 'hunter2'",
        r"SELECT 'it\'s hunter2', 1",
        r"SELECT E'\'hunter2'",
        "SELECT E'hunter2', N'hunter2', X'hunter2', b'hunter2', U&'hunter2', _utf8'hunter2'",
        "SELECT q'[it's hunter2]' FROM dual",
        "SELECT $$hunter2$$, $tag$ hunter2 $tag$",
        'SELECT * FROM t WHERE a = "hunter2"',
        'SELECT "it""s hunter2"',
        r'SELECT "\"hunter2"',
        "SELECT `hunter2`",
        "SELECT 1 -- hunter2",
        "SELECT 1 /* hunter2 */ FROM t",
        "SELECT 1 # hunter2",
        "SELECT 'hunter2",
        'SELECT "hunter2',
        "SELECT 1'hunter2'",
        "SELECT 1hunter2",
        "SELECT 'a' 'hunter2'",
        "SELECT \N{LEFT SINGLE QUOTATION MARK}hunter2",
        "SELECT \x00hunter2",
        "SELECT " + "x, " * 600 + "'" + "a" * 300 + "hunter2'",
    ],
)
def test_no_literal_is_shown(sql: str):
    assert SECRET not in without_literals(sql)


def test_long_statement_is_cut():
    shown = without_literals("UPDATE t SET " + "a = %s AND " * 500)
    assert len(shown) == KEPT
    assert shown.endswith("…")


NOISE = st.text("ab '\"`$\\-/*%()\n0", max_size=12)
DIALECTS = {
    "standard": lambda text: "'" + text.replace("'", "''") + "'",
    "MySQL": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "MySQL, double quotes": lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"',
    "PostgreSQL, dollars": lambda text: f"$tag${text}$tag$",
}


@pytest.mark.parametrize("quoted", DIALECTS.values(), ids=DIALECTS)
@given(texts=st.lists(st.tuples(NOISE, NOISE), min_size=1, max_size=5))
def test_no_string_of_any_dialect_is_shown(quoted, texts):
    strings = [quoted(f"{before}hunter2{after}") for before, after in texts]
    assert SECRET not in without_literals("SELECT " + ", ".join(strings))
