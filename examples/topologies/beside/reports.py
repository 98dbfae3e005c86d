"""A Starlette app, written to live at /, with a startup of its own."""

from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


@asynccontextmanager
async def lifespan(_app):
    """Open what the app needs, and hand it to its requests."""
    yield {"started": True}


async def index(request):
    """Tell where this is mounted, and that it was started."""
    return JSONResponse({"here": request.url_for("index").path, "started": request.state.started})


reports = Starlette(routes=[Route("/", index, name="index")], lifespan=lifespan)
