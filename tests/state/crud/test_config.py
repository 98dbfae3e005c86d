"""ModelCRUDConfig refuses what would show or change more than it names."""

import pytest
import reflex as rx
from django import forms
from django.contrib.auth.models import Group, User

from rxbridge.state.crud import ModelCRUDConfig, crud_mixin
from rxbridge.state.live import LiveList
from tests.state.crud.app import Own
from tests.state.crud.models import Folder, Note

YES = {
    name: lambda user, instance: True
    for name in ("can_view", "can_add", "can_change", "can_delete")
}


class SecretForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["title", "secret"]


class PasswordForm(forms.ModelForm):
    new_password = forms.CharField()

    class Meta:
        model = Note
        fields = ["title"]


class FolderForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["folder"]


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"model": "notes.Note"}, "must be a Django model class"),
        ({"fields": []}, "name the fields"),
        ({"fields": "__all__"}, "must be a list of names"),
        ({"fields": ["title", "title"]}, "each field once"),
        ({"fields": ["titel"]}, "Unknown field.*titel"),
        ({"fields": ["title", "owner__username"]}, "list_fields= only"),
        ({"fields": ["changed"]}, "list_fields= only"),
        ({"fields": ["id"]}, "name the fields of the form"),
        ({"fields": ["owner_id"]}, "list_fields= only"),
        ({"fields": ["title", "owner"]}, "set by the server"),
        ({"fields": ["folder"]}, "Say which"),
        ({"fields": ["title"], "choices": {"folder": None}}, "no relation in the form"),
        ({"list_fields": ["owner__password"]}, "is a password"),
        ({"list_fields": ["labels__name"]}, "no foreign key"),
        ({"list_fields": ["title__upper"]}, "no foreign key"),
        ({"list_fields": ["pk", "nope"]}, "no field of Note"),
        ({"search_fields": ["secret"]}, "Name it in list_fields="),
        ({"search_fields": ["owner__username"]}, "Name it in list_fields="),
        ({"search_fields": ["price"], "list_fields": ["price"]}, "is no text"),
        ({"filter_fields": ["secret"]}, "Name it in list_fields="),
        ({"filter_fields": {"o": "owner__password__regex"}}, "password|no foreign key|no field"),
        ({"filter_fields": {"t": "title__regex"}}, "no foreign key"),
        ({"filter_fields": {"l": "labels"}, "list_fields": ["labels"]}, "many-to-many"),
        ({"ordering_fields": ["secret"]}, "Name it in list_fields="),
        ({"ordering": ["nope"]}, "no field of Note"),
        ({"page_size": 0}, "from 1 to 500"),
        ({"page_size": 10_000}, "from 1 to 500"),
        ({"owner_field": "folder"}, "user model"),
        ({"owner_field": "title"}, "foreign key"),
        ({"owner_field": "folder__owner"}, "itself"),
        ({"version_field": "title"}, "change by itself"),
        ({"permissions": "all"}, "must be"),
        ({"owner_field": None}, "Nothing decides"),
        ({"owner_field": None, **YES, "can_delete": None}, "can_delete="),
        ({"form": SecretForm, "list_fields": ["title"]}, "name the fields of the form"),
        (
            {"form": SecretForm, "fields": ["title", "secret", "text"]},
            "name the fields of the form",
        ),
        (
            {"form": PasswordForm, "fields": ["title", "new_password"], "list_fields": ["title"]},
            "is a password",
        ),
        ({"form": FolderForm, "fields": ["folder"], "list_fields": ["title"]}, "Say which"),
        ({"form": FolderForm, "fields": ["folder"], "choices": {"folder": 1}}, "list_fields="),
    ],
)
def test_refuses(options, remedy):
    wanted = {"model": Note, "fields": ["title"], "owner_field": "owner", "permissions": None}
    with pytest.raises(ValueError, match=remedy):
        ModelCRUDConfig(**{**wanted, **options})


@pytest.mark.parametrize("field", ["is_superuser", "is_staff", "is_active"])
def test_refuses_privileges(field):
    with pytest.raises(ValueError, match="privileges"):
        ModelCRUDConfig(model=User, fields=[field])


@pytest.mark.parametrize("field", ["groups", "user_permissions"])
def test_refuses_privileges_by_relation(field):
    with pytest.raises(ValueError, match="privileges"):
        ModelCRUDConfig(model=User, fields=[field], choices={field: lambda user: ()})


def test_refuses_the_permissions_of_a_group():
    with pytest.raises(ValueError, match="privileges"):
        ModelCRUDConfig(model=Group, fields=["permissions"], choices={"permissions": lambda _: ()})


def test_refuses_the_password_of_a_user():
    with pytest.raises(ValueError, match="password"):
        ModelCRUDConfig(model=User, fields=["username", "password"])


def test_hooks_alone_are_rules_enough():
    ModelCRUDConfig(model=Note, fields=["title"], permissions=None, **YES)


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        ({"list": "notes"}, "none of"),
        ({"rows": "_notes"}, "plain identifier"),
        ({"rows": "my notes"}, "plain identifier"),
        ({"rows": "router"}, "plain identifier"),
        ({"rows": "total"}, "twice"),
        ({"create": "setvar"}, "plain identifier"),
    ],
)
def test_names_are_checked(names, remedy):
    config = ModelCRUDConfig(model=Note, fields=["title"], names=names)
    with pytest.raises(ValueError, match=remedy):
        crud_mixin(config)


def test_one_state_has_one_list():
    config = ModelCRUDConfig(model=Note, fields=["title"])
    with pytest.raises(ValueError, match="state of its own"):
        crud_mixin(config, base=Own)


def test_live_list_is_of_the_same_model():
    live = LiveList(Folder)
    try:
        with pytest.raises(ValueError, match="LiveList\\(Note\\)"):
            crud_mixin(ModelCRUDConfig(model=Note, fields=["title"]), live=live)
    finally:
        live.close()


def test_default_names_are_free_in_reflex():
    assert not [name for name in Own._crud.names.values() if hasattr(rx.State, name)]
