"""What the page asks, and the answers, to this machine's own page alone: nothing is kept, or written to disk."""

import functools
import io
from pathlib import Path

import anyio
import jinja2
import numpy as np
from anyio import to_thread
from PIL import Image
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from kidneyct.images import decoding
from kidneyct.maps import explainer
from kidneyct.maps.methods import METHODS
from kidneyct.pipeline import errors
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import prediction, trained_model
from kidneyct.report import gallery, heat, report, titles
from kidneyct.sources import phantom

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")  # any other name is another site's, made to lead here
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LARGEST = 64 * 2**20  # bytes of an image file
SECONDS = 60  # for a file to come
DECODED = 2  # pictures at once, so that a slow one does not hold up the others
NAME = "image"  # of every file here: its own stays in the page
FOLDER = Path(__file__).parent
GONE = 499  # the status for who has stopped waiting, and will not read it


def application(trained, notice=""):
    """The ASGI application that answers with TrainedModels by role, which all have the same training images."""
    turn, decoders = anyio.Lock(), anyio.CapacityLimiter(DECODED)
    networks = {role: trained_model.network(model) for role, model in trained.items()}
    size, (model, *_) = prediction.BATCH_SIZE, trained.values()
    explainers = {role: explainer.explainer(network, batch_size=size) for role, network in networks.items()}

    def answer(role, pixels, thumbnail, method):
        (result,) = prediction.classify(trained[role], networks[role], pixels[None], thumbnail[None])
        if not method:
            return result
        codes = np.array([model.settings.classes.index(result["class"])])
        values = explainers[role](pixels[None], codes, seed=0, methods=(method,))[method][0]  # (h', w')
        picture = gallery.encoded(heat.colours(values, pixels.shape[:2]).round().astype("uint8"))
        top = float(heat.top(values, pixels.shape[:2]))
        return result | {"map": picture, "top": top, "evidence": bool(np.any(values))}

    async def predict(request):
        """Results by role, each with the map of the `method` that is asked for; one role's at a time is computed."""
        method, answers = request.query_params.get("method", ""), {}
        if method not in ("", *METHODS):
            raise HTTPException(400, f"expected a map of {', '.join(METHODS)}")
        content = await _body(request)
        seen = functools.partial(prediction.seen, content, NAME, model)
        pixels, thumbnail = await to_thread.run_sync(seen, limiter=decoders)
        for role in trained:
            async with turn:
                if await request.is_disconnected():
                    raise ClientDisconnect
                answers[role] = await to_thread.run_sync(answer, role, pixels, thumbnail, method)
        return JSONResponse({"models": answers, "picture": gallery.encoded(pixels)})

    style = "".join((folder / "style.css").read_text(encoding="utf-8") for folder in (report.TEMPLATES, FOLDER))
    script = (FOLDER / "script.js").read_text(encoding="utf-8")
    (drawn,), sample = phantom.patient("Stone", 1, 1, seed=1), io.BytesIO()
    Image.fromarray(drawn.image).save(sample, "PNG")
    files = {
        "/": HTMLResponse(_page(trained, model, notice)),
        "/style.css": Response(style, media_type="text/css"),
        "/script.js": Response(script, media_type="text/javascript"),
        "/sample.png": Response(sample.getvalue(), media_type="image/png"),
    }
    routes = [Route(path, file, methods=["GET"]) for path, file in files.items()]
    routes.append(Route("/predict", predict, methods=["POST"]))
    return guarded(Starlette(routes=routes, exception_handlers=REFUSALS))


def _refused(status, line):
    return JSONResponse({"error": line}, status_code=status)


def _amiss(request, error):
    kind = type(error).__name__
    if kind in errors.NO_MEMORY:
        return _refused(507, "too little memory for this; close other programs, or make the image smaller")
    return _refused(500, f"a mistake in kidneyct ({kind}); the terminal tells more")


REFUSALS = {
    ClientDisconnect: lambda request, error: Response(status_code=GONE),
    HTTPException: lambda request, error: _refused(error.status_code, error.detail),
    InputError: lambda request, error: _refused(422, errors.shown(str(error).removeprefix(f"{NAME}: "), 1000)),
    Exception: _amiss,
}


def guarded(app):
    """An ASGI application that answers to no other name; HEADERS stand in every answer, refusals too."""
    app = TrustedHostMiddleware(app, HOSTS)

    async def call(scope, receive, send):
        async def answer(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await app(scope, receive, answer)

    return call


async def _body(request):
    """What our own page sent; never more of it in memory than LARGEST, and never waited for longer than SECONDS."""
    own = f"http://{request.headers.get('host')}"
    if request.headers.get("origin") != own:
        raise HTTPException(403, f"expected a question from {own}, found another site's")
    too_large = HTTPException(413, f"larger than {LARGEST >> 20} MiB; make it smaller")
    if int(request.headers.get("content-length", 0)) > LARGEST:
        raise too_large
    content = bytearray()
    with anyio.move_on_after(SECONDS) as waited:
        async for chunk in request.stream():
            content += chunk
            if len(content) > LARGEST:
                raise too_large
    if waited.cancelled_caught:
        raise HTTPException(408, f"did not come within {SECONDS} seconds; try again")
    return bytes(content)


def _page(roles, model, notice):
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((FOLDER / "app.html").read_text(encoding="utf-8")).render(
        notice=notice,
        roles=list(roles),
        model=model,
        maps=titles.MAPS,
        clip=heat.CLIP,
        largest=LARGEST,
        formats=f"{', '.join(decoding.FORMATS)} or DICOM",
    )
