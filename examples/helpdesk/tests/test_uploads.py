"""Uploads, as whoever has no browser sends them."""

from django.test import TestCase
from rxbridge.testing import RawClient

from helpdesk.asgi import application
from tests.test_tickets import People
from tickets.state import MAX_BYTES, TicketState


class UploadTests(People, TestCase):
    """`reflex_asgi(max_upload=…)`."""

    async def test_what_is_far_too_large_is_not_even_read(self) -> None:
        await self.async_client.aforce_login(self.alan)
        cookies = {name: each.value for name, each in self.async_client.cookies.items()}
        handler, file = f"{TicketState.get_full_name()}.attach", b"0" * (MAX_BYTES + 2**21)
        async with RawClient(application) as raw:
            answer = await raw.upload(handler, ("huge.bin", file), cookies=cookies)
        self.assertEqual(answer.status_code, 413)
