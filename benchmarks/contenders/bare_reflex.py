"""Bare Reflex: the same processor and the same kind of handler, no Django around it."""

from benchmarks.contenders.worker import serve


def contender():
    import reflex as rx

    from benchmarks.contenders.tabs import Tabs, cookies_in_headers

    class Clicks(rx.State):
        clicks: int = 0

        @rx.event
        async def read(self):
            self.clicks += 1

    app = rx.App()
    app.add_page(lambda: rx.text(Clicks.clicks), route="/")
    return Tabs(app, {"read": Clicks.read}, cookies_in_headers)


if __name__ == "__main__":
    serve(contender)
