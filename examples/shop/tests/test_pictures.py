"""Profile pictures: what is one, and which files are kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings

from accounts.models import Profile
from accounts.pictures import MAX_BYTES, BadPicture, remove_picture, set_picture, type_of

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff\xe0" + b"pixels"


class TypeTests(TestCase):
    """`type_of`."""

    def test_pictures_are_known_by_how_they_begin(self) -> None:
        for content, suffix in [
            (PNG, "png"),
            (JPEG, "jpg"),
            (b"GIF87a pixels", "gif"),
            (b"GIF89a pixels", "gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        ]:
            with self.subTest(suffix):
                self.assertEqual(type_of(content), suffix)

    def test_everything_else_is_refused(self) -> None:
        for content in [
            b"",
            b"<svg onload=alert(1)>",
            b"<html><script>",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"\x89PNG",
            b" " + PNG,
        ]:
            with self.subTest(content), self.assertRaisesMessage(BadPicture, "not a picture"):
                type_of(content)

    def test_a_picture_of_more_than_the_limit_is_refused(self) -> None:
        self.assertEqual(type_of(PNG.ljust(MAX_BYTES)), "png")
        with self.assertRaisesMessage(BadPicture, "larger than 2 MB"):
            type_of(PNG.ljust(MAX_BYTES + 1))


class FileTests(TestCase):
    """`set_picture` and `remove_picture`."""

    def setUp(self) -> None:
        """Keep files in a folder of the test's own."""
        folder = self.enterContext(TemporaryDirectory())
        self.enterContext(override_settings(MEDIA_ROOT=folder))
        self.folder = Path(folder, "pictures")
        self.robin = get_user_model().objects.create_user("robin")

    def kept(self) -> list[bytes]:
        """Return what is in the files there are."""
        return [file.read_bytes() for file in self.folder.glob("*")]

    def set_picture(self, content: bytes) -> None:
        """Set Robin's picture, and commit."""
        with self.captureOnCommitCallbacks(execute=True):
            set_picture(self.robin, content)

    def test_a_new_picture_takes_the_place_of_the_old_file(self) -> None:
        self.set_picture(PNG)
        self.set_picture(JPEG)
        self.assertEqual(self.kept(), [JPEG])
        profile = Profile.objects.get(user=self.robin)
        self.assertRegex(profile.picture_url, r"^/media/pictures/[0-9a-f]{16}\.jpg$")

    def test_a_refused_picture_leaves_the_old_one(self) -> None:
        self.set_picture(PNG)
        with self.assertRaises(BadPicture):
            self.set_picture(b"<svg>")
        self.assertEqual(self.kept(), [PNG])

    def test_removing_a_picture_deletes_its_file(self) -> None:
        self.set_picture(PNG)
        with self.captureOnCommitCallbacks(execute=True):
            remove_picture(self.robin)
        self.assertEqual(self.kept(), [])
        self.assertEqual(Profile.objects.get(user=self.robin).picture_url, "")
