"""The pictures of users: what is one, and where it is kept."""

from functools import partial
from secrets import token_hex

from django.contrib.auth.models import AbstractBaseUser
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Profile

MAX_BYTES = 2 * 1024 * 1024

# What files of these types begin with. No SVG: it may hold scripts.
SIGNATURES = [
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
]


class BadPicture(Exception):
    """A file that is not taken for a picture; the message is for the user."""


def type_of(content: bytes) -> str:
    """Return what kind of picture ``content`` is, by what is in it; raise ``BadPicture``.

    A browser's word for the type, and the name of the file, are the visitor's to choose.
    """
    if len(content) > MAX_BYTES:
        raise BadPicture(_("That picture is larger than 2 MB. Please choose a smaller one."))
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    for signature, suffix in SIGNATURES:
        if content.startswith(signature):
            return suffix
    raise BadPicture(_("That is not a picture. Please choose a PNG, JPEG, GIF or WebP file."))


@transaction.atomic
def set_picture(user: AbstractBaseUser, content: bytes) -> None:
    """Keep ``content`` as the user's picture, under a name of our own; raise ``BadPicture``."""
    name = f"{token_hex(8)}.{type_of(content)}"
    profile, _created = Profile.objects.get_or_create(user_id=user.pk)
    _delete_when_saved(profile)
    profile.picture.save(name, ContentFile(content))


@transaction.atomic
def remove_picture(user: AbstractBaseUser) -> None:
    """Forget the user's picture."""
    for profile in Profile.objects.filter(user_id=user.pk):
        _delete_when_saved(profile)
        profile.picture = ""
        profile.save(update_fields=["picture"])


def _delete_when_saved(profile: Profile) -> None:
    """Delete the file the profile has now, once the database no longer names it."""
    if profile.picture:
        transaction.on_commit(partial(profile.picture.storage.delete, profile.picture.name))
