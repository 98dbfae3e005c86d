"""List, create, edit, delete: what a page sees of it."""

import pickle
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from rxbridge.state.crud import ModelCRUDConfig
from rxbridge.state.crud._store import Store
from rxbridge.testing import EventClient
from tests.state.crud.app import Hooked, Own, Shared, app
from tests.state.crud.conftest import permit
from tests.state.crud.models import Folder, Label, Note

TITLE = {"title": "milk", "price": "2.50"}


async def state(tab: EventClient, cls=Own):
    return await tab.state(cls)


def titles(own) -> list[str]:
    return [row["title"] for row in own.rows]


class TestList:
    async def test_shows_own_rows_only(self, tab, ada, bob):
        await Note.objects.acreate(title="hers", owner=ada)
        await Note.objects.acreate(title="his", owner=bob)
        await tab.fire(Own.load)
        assert titles(await state(tab)) == ["hers"]

    async def test_page_load_fills_it_before_first_paint(self, ada):
        await Note.objects.acreate(title="hers", owner=ada)
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/notes")
        assert fired.vars["total"] == 1

    async def test_row_has_what_is_named_and_is_json(self, tab, ada):
        folder = await Folder.objects.acreate(name="home", owner=ada)
        label = await Label.objects.acreate(name="red")
        note = await Note.objects.acreate(
            title="milk", owner=ada, folder=folder, due="2030-01-02", price=Decimal("0.10")
        )
        await note.labels.aadd(label)
        await tab.fire(Own.load)
        (row,) = (await state(tab)).rows
        await note.arefresh_from_db()
        assert dict(row) == {
            "id": str(note.pk),
            "title": "milk",
            "price": "0.10",
            "due": "2030-01-02",
            "done": False,
            "folder": "home",
            "labels": ["red"],
            "changed": row["changed"],
        }
        assert row["changed"].startswith("20")

    async def test_pages(self, tab, ada):
        await Note.objects.abulk_create(
            [Note(title=f"note {number:02}", owner=ada) for number in range(25)]
        )
        await tab.fire(Own.order_by("title"))
        await tab.fire(Own.show_page(3))
        own = await state(tab)
        assert (own.page, own.pages, own.total) == (3, 3, 25)
        assert titles(own) == [f"note {number:02}" for number in range(20, 25)]

    async def test_page_beyond_the_last_is_the_last(self, tab, ada):
        await Note.objects.acreate(title="hers", owner=ada)
        await tab.fire(Own.show_page(10**30))
        own = await state(tab)
        assert (own.page, titles(own)) == (1, ["hers"])

    @pytest.mark.parametrize("order", ["title", "-title"])
    async def test_ordering(self, tab, ada, order):
        for title in ("b", "a", "c"):
            await Note.objects.acreate(title=title, owner=ada)
        await tab.fire(Own.order_by(order))
        assert titles(await state(tab)) == sorted("abc", reverse=order.startswith("-"))

    async def test_search_looks_into_the_named_fields(self, tab, ada):
        await Note.objects.acreate(title="Milk", text="cow", owner=ada)
        await Note.objects.acreate(title="Bread", text="with milk", owner=ada)
        await Note.objects.acreate(title="Salt", secret="milk", owner=ada)
        await tab.fire(Own.find("MILK"))
        own = await state(tab)
        assert (set(titles(own)), own.search) == ({"Milk", "Bread"}, "MILK")

    @pytest.mark.parametrize(
        ("name", "value", "found"),
        [
            ("done", True, ["done"]),
            ("done", "false", ["open", "soon"]),
            ("before", "2030-06-01", ["soon"]),
            ("year", "2031", ["done"]),
            ("year", "", ["done", "open", "soon"]),
        ],
    )
    async def test_filters(self, tab, ada, name, value, found):
        await Note.objects.acreate(title="done", done=True, due="2031-01-01", owner=ada)
        await Note.objects.acreate(title="open", owner=ada)
        await Note.objects.acreate(title="soon", due="2030-01-01", owner=ada)
        await tab.fire(Own.filter_by(name, value))
        own = await state(tab)
        assert sorted(titles(own)) == found
        assert set(own.filters) == ({name} if value != "" else set())

    async def test_search_and_filter_begin_at_the_first_page(self, tab, ada):
        await Note.objects.abulk_create([Note(title=f"n {i}", owner=ada) for i in range(11)])
        await tab.fire(Own.show_page(2))
        await tab.fire(Own.find("n"))
        assert (await state(tab)).page == 1

    async def test_what_did_not_change_is_not_sent_again(self, tab, ada):
        await Note.objects.acreate(title="hers", owner=ada)
        await tab.fire(Own.load)
        assert (await tab.fire(Own.load)).vars == {}


class TestQueries:
    @pytest.mark.parametrize("count", [1, 10])
    def test_a_page_is_a_query_a_count_and_one_for_each_many_to_many(self, ada, count):
        label = Label.objects.create(name="red")
        for number in range(count):
            folder = Folder.objects.create(name=f"f {number}", owner=ada)
            note = Note.objects.create(title=f"note {number}", owner=ada, folder=folder)
            note.labels.add(label)
        store = Own._crud.store
        with CaptureQueriesContext(connection) as queries:
            assert len(store.page(ada)["rows"]) == count
        assert len(queries) == 3

    def test_related_fields_are_joined(self, ada):
        for number in range(5):
            Note.objects.create(title=f"note {number}", owner=ada)
        config = ModelCRUDConfig(
            model=Note,
            fields=["title"],
            list_fields=["title", "owner__username", "folder__owner__username"],
            owner_field="owner",
            permissions=None,
        )
        with CaptureQueriesContext(connection) as queries:
            rows = Store(config).page(ada)["rows"]
        assert {row["owner__username"] for row in rows} == {"ada"}
        assert {row["folder__owner__username"] for row in rows} == {None}
        assert len(queries) == 2


class TestCreate:
    async def test_owner_is_the_user(self, tab, ada):
        fired = await tab.fire(Own.create(TITLE))
        note = await Note.objects.aget()
        assert (note.title, note.price, note.owner_id) == ("milk", Decimal("2.50"), ada.pk)
        assert fired.vars["total"] == 1

    async def test_errors_are_told_per_field(self, tab):
        await tab.fire(Own.create({"title": "", "price": "cheap"}))
        own = await state(tab)
        assert dict(own.form_errors) == {
            "title": ["This field is required."],
            "price": ["Enter a number."],
        }
        assert await Note.objects.acount() == 0

    async def test_errors_are_in_the_visitors_language(self, ada):
        async with EventClient(app, user=ada, headers={"accept-language": "de"}) as tab:
            await tab.fire(Own.create({"title": "", "price": "1"}))
            with translation.override("de"):
                expected = translation.gettext("This field is required.")
            assert (await state(tab)).form_errors["title"] == [expected]
            assert expected != "This field is required."

    async def test_constraint_with_a_field_outside_the_form_is_an_error_of_the_form(self, tab, ada):
        await Note.objects.acreate(title="milk", owner=ada)
        await tab.fire(Own.create(TITLE))
        assert (await state(tab)).form_errors["form"]
        assert await Note.objects.acount() == 1

    async def test_open_form_offers_the_objects_the_user_may_choose(self, tab, ada, bob):
        mine = await Folder.objects.acreate(name="mine", owner=ada)
        await Folder.objects.acreate(name="his", owner=bob)
        await tab.fire(Own.new)
        own = await state(tab)
        assert own.form_open
        assert own.editing == ""
        assert own.form_choices["folder"] == [{"value": str(mine.pk), "label": "mine"}]
        assert own.form_values["price"] == "1.10"

    async def test_save_without_an_open_row_creates(self, tab):
        await tab.fire(Own.new)
        await tab.fire(Own.save(TITLE))
        own = await state(tab)
        assert (own.form_open, titles(own)) == (False, ["milk"])


class TestEdit:
    @pytest.fixture
    async def note(self, ada):
        return await Note.objects.acreate(title="milk", owner=ada, due="2030-01-02")

    async def test_form_begins_with_the_values(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        own = await state(tab)
        assert own.editing == str(note.pk)
        assert dict(own.form_values) == {
            "title": "milk",
            "text": "",
            "price": "1.10",
            "due": "2030-01-02",
            "done": False,
            "folder": "",
            "labels": [],
        }

    async def test_save_changes_the_row_and_closes_the_form(self, tab, note):
        label = await Label.objects.acreate(name="red")
        await tab.fire(Own.edit(str(note.pk)))
        await tab.fire(Own.save({**TITLE, "title": "oat", "labels": [str(label.pk)], "done": True}))
        own = await state(tab)
        assert (own.form_open, titles(own), own.rows[0]["labels"]) == (False, ["oat"], ["red"])
        await note.arefresh_from_db()
        assert (note.done, note.due, note.secret) == (True, None, "of the server")

    async def test_errors_keep_the_form_open(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await tab.fire(Own.save({"title": "", "price": "1"}))
        own = await state(tab)
        assert (own.form_open, set(own.form_errors)) == (True, {"title"})

    async def test_cancel_forgets_what_was_edited(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await tab.fire(Own.cancel)
        await tab.fire(Own.save({**TITLE, "title": "new"}))
        assert await Note.objects.acount() == 2

    async def test_row_changed_meanwhile_is_told_and_kept(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await Note.objects.filter(pk=note.pk).aupdate(text="from elsewhere")
        await tab.fire(Own.save(TITLE))
        own = await state(tab)
        assert own.conflict
        assert own.form_errors["form"]
        assert own.current_values["text"] == "from elsewhere"
        await tab.fire(Own.save(TITLE))
        assert (await Note.objects.aget()).text == "from elsewhere"

    async def test_conflict_is_over_when_the_row_is_opened_anew(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await Note.objects.filter(pk=note.pk).aupdate(text="from elsewhere")
        await tab.fire(Own.save(TITLE))
        await tab.fire(Own.edit(str(note.pk)))
        await tab.fire(Own.save({**TITLE, "title": "oat"}))
        assert not (await state(tab)).conflict
        assert (await Note.objects.aget()).title == "oat"

    async def test_change_of_a_many_to_many_is_a_conflict(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await note.labels.aadd(await Label.objects.acreate(name="red"))
        await tab.fire(Own.save(TITLE))
        assert (await state(tab)).conflict

    async def test_change_of_a_field_not_in_the_form_is_none(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await Note.objects.filter(pk=note.pk).aupdate(secret="new")
        await tab.fire(Own.save(TITLE))
        assert not (await state(tab)).conflict
        assert (await Note.objects.aget()).secret == "new"

    async def test_version_field_sees_any_change(self, crud_db, note):
        user = await sync_to_async(permit)(await User.objects.aget(), "change")
        async with EventClient(app, user=user) as tab:
            await tab.fire(Shared.edit(str(note.pk)))
            note.secret = "new"
            await note.asave()
            await tab.fire(Shared.save({"title": "oat"}))
            assert (await state(tab, Shared)).conflict

    async def test_row_deleted_meanwhile_is_told(self, tab, note):
        await tab.fire(Own.edit(str(note.pk)))
        await note.adelete()
        fired = await tab.fire(Own.save(TITLE))
        assert fired.toasts == ["That is no longer there."]
        assert await Note.objects.acount() == 0


class TestDelete:
    async def test_deletes_and_shows_the_rest(self, tab, ada):
        note = await Note.objects.acreate(title="milk", owner=ada)
        await tab.fire(Own.delete(str(note.pk)))
        assert titles(await state(tab)) == []
        assert await Note.objects.acount() == 0

    async def test_closes_the_form_of_the_row(self, tab, ada):
        note = await Note.objects.acreate(title="milk", owner=ada)
        await tab.fire(Own.edit(str(note.pk)))
        await tab.fire(Own.delete(str(note.pk)))
        assert not (await state(tab)).form_open

    def test_what_others_need_stays(self, ada):
        folder = Folder.objects.create(name="home", owner=ada)
        Note.objects.create(title="milk", owner=ada, folder=folder)
        config = ModelCRUDConfig(
            model=Folder, fields=["name"], owner_field="owner", permissions=None
        )
        assert Store(config).delete(ada, str(folder.pk))["form_errors"]["form"]
        assert Folder.objects.count() == 1


class TestPermissions:
    """``Shared`` asks Django's permissions of the model."""

    @pytest.fixture
    async def note(self, crud_db):
        return await Note.objects.acreate(title="milk")

    @pytest.mark.parametrize(
        ("granted", "handler", "payload", "allowed"),
        [
            ("", "load", {}, False),
            ("view", "load", {}, True),
            ("change", "load", {}, True),
            ("add", "load", {}, False),
            ("view", "new", {}, False),
            ("add", "new", {}, True),
            ("view", "create", {"form_data": {"title": "x"}}, False),
            ("add", "create", {"form_data": {"title": "x"}}, True),
            ("view", "edit", {"pk": "{pk}"}, False),
            ("change", "edit", {"pk": "{pk}"}, True),
            ("view change", "delete", {"pk": "{pk}"}, False),
            ("view delete", "delete", {"pk": "{pk}"}, True),
        ],
    )
    async def test_each_action_takes_its_permission(
        self, note, bob, granted, handler, payload, allowed
    ):
        user = await sync_to_async(permit)(bob, *granted.split())
        payload = {
            name: value.format(pk=note.pk) if isinstance(value, str) else value
            for name, value in payload.items()
        }
        before = await Note.objects.acount()
        async with EventClient(app, user=user) as tab:
            fired = await tab.fire(getattr(Shared, handler), **payload)
        assert (fired.toasts == []) is allowed
        assert ((await Note.objects.acount()) != before) is (
            allowed and handler in ("create", "delete")
        )

    def test_object_permissions_are_asked_for_each_row(self, note, bob):
        Note.objects.create(title="other")

        class Granted:
            is_authenticated, pk = True, bob.pk

            def has_perm(self, name, instance=None):
                return instance is not None and instance.pk == note.pk

        config = ModelCRUDConfig(model=Note, fields=["title"], permissions="object")
        store = Store(config)
        page = store.page(Granted())
        assert ([row["title"] for row in page["rows"]], page["total"]) == (["milk"], 1)
        assert store.delete(Granted(), note.pk)["form_errors"] == {}
        other = Note.objects.get()
        with pytest.raises(Exception, match="no such"):
            store.delete(Granted(), other.pk)

    async def test_anonymous_visitors_go_to_the_login_page(self, crud_db):
        async with EventClient(app) as tab:
            fired = await tab.fire(Own.load)
        assert fired.redirect.startswith("/admin/login/?next=")


class TestHooks:
    @pytest.fixture
    async def tab(self, ada):
        async with EventClient(app, user=ada) as client:
            yield client

    async def test_rows_are_judged_one_by_one(self, tab, ada, bob):
        for number in range(4):
            await Note.objects.acreate(title=f"hers {number}", owner=ada)
            await Note.objects.acreate(title=f"his {number}", owner=bob)
        await tab.fire(Hooked.show_page(2))
        hooked = await state(tab, Hooked)
        assert (hooked.total, hooked.pages) == (4, 2)
        assert [row["title"] for row in hooked.notes] == ["hers 1", "hers 0"]

    async def test_total_tells_nothing_of_rows_that_are_not_seen(self, tab, bob):
        await Note.objects.acreate(title="salary", owner=bob)
        await tab.fire(Hooked.find("salary"))
        assert (await state(tab, Hooked)).total == 0

    async def test_add_hook_sees_what_is_to_be_added(self, tab):
        fired = await tab.fire(Hooked.add_note({"title": "forbidden"}))
        assert fired.toasts == ["You are not allowed to do that."]
        await tab.fire(Hooked.add_note({"title": "fine"}))
        assert [note.title async for note in Note.objects.all()] == ["fine"]

    async def test_async_hook_is_awaited(self, tab, ada):
        done = await Note.objects.acreate(title="done", done=True, owner=ada)
        fired = await tab.fire(Hooked.remove_note(str(done.pk)))
        assert fired.toasts == ["You are not allowed to do that."]
        assert await Note.objects.acount() == 1

    async def test_change_hook(self, tab, ada):
        note = await Note.objects.acreate(title="nobody's")
        fired = await tab.fire(Hooked.edit(str(note.pk)))
        assert fired.toasts == ["You are not allowed to do that."]

    async def test_a_refusal_names_the_handler_as_the_user_does(self, tab, caplog):
        await tab.fire(Hooked.remove_note("77"))
        name = "tests.state.crud.app.Hooked.remove_note"
        assert f"{name} refused to user" in caplog.text
        assert f"{name} ran, but was refused" in caplog.text

    def test_renamed_members_replace_the_others(self):
        assert {"add_note", "remove_note"} <= set(Hooked.event_handlers)
        assert not {"create", "delete"} & set(Hooked.event_handlers)
        assert "notes" in Hooked.vars
        assert "rows" not in Hooked.vars


class TestState:
    async def test_next_user_of_the_tab_sees_nothing_of_the_former(self, tab, ada, bob):
        await Note.objects.acreate(title="hers", owner=ada)
        await tab.fire(Own.load)
        tab.connection.replace_cookies({})
        fired = await tab.navigate("/")
        assert (await state(tab)).rows == []
        assert "hers" not in repr(fired.deltas)

    async def test_draft_is_the_servers(self, tab):
        assert "_crud_draft" not in Own.vars

    async def test_is_pickled_without_anything_of_django(self, tab, ada):
        await Note.objects.acreate(title="hers", owner=ada)
        await tab.fire(Own.load)
        await tab.fire(Own.new)
        own = await state(tab)
        stored = pickle.dumps(own)
        assert b"django" not in stored
        assert pickle.loads(stored).rows == own.rows

    def test_states_are_registered_under_the_callers_module(self):
        assert Own.get_full_name().endswith("tests___state___crud___app____own")

    async def test_works_where_handlers_are_not_threaded(self, ada):
        await Note.objects.acreate(title="hers", owner=ada)
        (bridge,) = app._middlewares
        bridge.threaded = False
        try:
            async with EventClient(app, user=ada) as tab:
                await tab.fire(Own.load)
                assert titles(await state(tab)) == ["hers"]
        finally:
            bridge.threaded = True

    def test_handlers_are_typed(self):
        hints = Own.event_handlers["show_page"]._get_type_hints()
        assert hints["number"] is int

    def test_nobody_owns_nothing(self, crud_db):
        Note.objects.create(title="nobody's")
        with pytest.raises(PermissionDenied):
            Own._crud.store.page(AnonymousUser())
