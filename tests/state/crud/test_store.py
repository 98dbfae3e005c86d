"""What the configuration's own parts do: forms, serializers, scopes; and changes at one time."""

import threading
from dataclasses import dataclass

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db import connection
from django.db.models import QuerySet
from django.http import Http404

from rxbridge.state.crud import ModelCRUDConfig
from rxbridge.state.crud._store import Store
from rxbridge.state.values import json_safe
from tests.state.crud.models import Folder, Label, Note

OPEN = {
    "permissions": None,
    "queryset": lambda user: User.objects.all(),
    "can_add": lambda user, note: True,
    "can_change": lambda user, note: True,
    "can_delete": lambda user, note: True,
}


class NoteForm(forms.ModelForm):
    confirm = forms.BooleanField(required=False)

    class Meta:
        model = Note
        fields = ["title", "text"]

    def clean(self):
        cleaned = super().clean()
        if cleaned.get("title") == cleaned.get("text"):
            msg = "Say more."
            raise forms.ValidationError(msg)
        return cleaned


def owned(**options) -> Store:
    wanted = {"model": Note, "fields": ["title"], "owner_field": "owner", "permissions": None}
    return Store(ModelCRUDConfig(**{**wanted, **options}))


def test_own_form_validates_and_saves(ada):
    store = owned(form=NoteForm, fields=["title", "text", "confirm"], list_fields=["title"])
    refused = store.create(ada, {"title": "a", "text": "a"})
    assert refused["form_errors"] == {"form": ["Say more."]}
    assert store.create(ada, {"title": "a", "text": "b", "confirm": True})["form_errors"] == {}
    assert Note.objects.get().text == "b"


def test_own_form_opens_with_its_fields(ada):
    store = owned(form=NoteForm, fields=["title", "text", "confirm"], list_fields=["title"])
    assert store.new(ada)["form_values"] == {"title": "", "text": "", "confirm": ""}


def test_what_the_form_does_not_ask_for_comes_from_new(ada, bob):
    store = owned(owner_field=None, new=lambda user: Note(owner=user, title="Draft"), **OPEN)
    assert store.new(bob)["form_values"] == {"title": "Draft"}
    assert store.create(bob, {"title": "milk"})["form_errors"] == {}
    assert Note.objects.get().owner == bob


def test_serializer_makes_the_row(ada):
    note = Note.objects.create(title="milk", owner=ada)
    store = owned(serialize=lambda note: {"shout": note.title.upper()})
    assert store.page(ada)["rows"] == [{"shout": "MILK", "id": str(note.pk)}]


def test_dataclass_of_a_field_is_its_text(ada, monkeypatch):
    @dataclass
    class Title:
        text: str
        secret: str = "of the server"

        def __str__(self):
            return self.text

    def from_db_value(value, *_):
        return Title(value)

    monkeypatch.setattr(Note._meta.get_field("title"), "from_db_value", from_db_value, False)
    Note.objects.create(title="milk", owner=ada)
    assert owned().page(ada)["rows"][0]["title"] == "milk"


def test_queryset_limits_every_path(ada):
    hidden = Note.objects.create(title="hidden", owner=ada, done=True)
    store = owned(queryset=lambda user: Note.objects.filter(done=False))
    assert store.page(ada)["rows"] == []
    for change in (store.open, store.delete):
        with pytest.raises(Http404):
            change(ada, str(hidden.pk))
    with pytest.raises(Http404):
        store.update(ada, str(hidden.pk), "", {"title": "x"})


def test_queryset_may_join_and_be_distinct(ada):
    note = Note.objects.create(title="milk", owner=ada)
    note.labels.add(*(Label.objects.create(name=name) for name in "ab"))
    store = owned(queryset=lambda user: Note.objects.filter(labels__name__gt="").distinct())
    assert store.page(ada)["total"] == 1
    assert store.delete(ada, str(note.pk))["form_errors"] == {}


def test_choice_outside_the_users_own_is_an_error(ada, bob):
    folder = Folder.objects.create(name="his", owner=bob)
    store = owned(
        fields=["title", "folder"],
        choices={"folder": lambda user: Folder.objects.filter(owner=user)},
    )
    assert "folder" in store.create(ada, {"title": "a", "folder": str(folder.pk)})["form_errors"]


def test_equal_rows_keep_their_places_between_pages(ada):
    Note.objects.bulk_create([Note(title=f"{number}", owner=ada) for number in range(9)])
    store = owned(list_fields=["title", "done"], ordering_fields=["done"], page_size=2)
    seen = [
        row["id"]
        for number in range(1, 6)
        for row in store.page(ada, page=number, ordering="done")["rows"]
    ]
    assert len(set(seen)) == 9


def test_of_two_changes_at_one_time_one_is_a_conflict(ada):
    note = Note.objects.create(title="milk", owner=ada)
    store = owned()
    version = store.open(ada, str(note.pk))["_crud_draft"]["version"]
    start, results = threading.Barrier(2), []

    def change(title: str) -> None:
        start.wait()
        results.append(store.update(ada, str(note.pk), version, {"title": title}))
        connection.close()

    threads = [threading.Thread(target=change, args=(title,)) for title in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result["conflict"] for result in results) == [False, True]


@pytest.mark.parametrize("change", ["update", "delete"])
def test_row_is_locked_before_it_is_judged(ada, monkeypatch, change):
    """SQLite locks the whole database instead, so only the asking can be seen here."""
    note = Note.objects.create(title="milk", owner=ada)
    locked = []
    lock = QuerySet.select_for_update
    monkeypatch.setattr(
        QuerySet, "select_for_update", lambda rows: locked.append(rows.model) or lock(rows)
    )
    store = owned(can_change=lambda *_: locked == [Note], can_delete=lambda *_: locked == [Note])
    if change == "update":
        store.update(ada, str(note.pk), "", {"title": "a"})
    else:
        store.delete(ada, str(note.pk))
    assert locked == [Note]


def test_a_clash_between_check_and_save_is_an_error_of_the_form(ada, monkeypatch):
    Note.objects.create(title="milk", owner=ada)
    monkeypatch.setattr(Note, "validate_constraints", lambda self, **_: None)
    assert "form" in owned().create(ada, {"title": "milk"})["form_errors"]


def test_password_is_not_written_where_everybody_may_change_users(ada, bob):
    store = Store(ModelCRUDConfig(model=User, fields=["first_name"], **OPEN))
    assert store.page(ada)["total"] == 2
    with pytest.raises(BadRequest):
        store.update(ada, str(bob.pk), "", {"first_name": "x", "password": "x"})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**53, str(2**53)),
        (-(2**60), str(-(2**60))),
        (7, 7),
        (True, True),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_numbers_a_browser_cannot_hold_are_text(value, shown):
    assert json_safe(value, "n") == shown
    assert type(json_safe(value, "n")) is type(shown)
