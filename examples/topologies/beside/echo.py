"""A Channels consumer: a WebSocket that is Django's, with Django's user."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Echo(AsyncJsonWebsocketConsumer):
    """Say everything back, and to whom."""

    async def receive_json(self, content):
        """Answer one message."""
        username = self.scope["user"].get_username() or "nobody"
        await self.send_json({"user": username, "said": content})
