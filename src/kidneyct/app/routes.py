"""What the page asks, and the answers: nothing is kept from one question to the next, or written to disk."""

import base64
import io
from pathlib import Path

import anyio
import jinja2
import numpy as np
from anyio import to_thread
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kidneyct.app import guard
from kidneyct.images import decoding
from kidneyct.maps.methods import METHODS
from kidneyct.pipeline import errors
from kidneyct.pipeline.errors import InputError
from kidneyct.report import heat, report, titles

FOLDER = Path(__file__).parent
LARGEST = 64 * 2**20  # bytes of an image file
TOO_LARGE = f"larger than {LARGEST >> 20} MiB; make it smaller"
NAME = "image"  # of every file here: its own stays in the page
GONE = 499  # the status for who has stopped waiting, and will not read it


def application(models, about, notice=""):
    """The ASGI application that answers with `Models`; `about` is what is known of their run."""
    turn = anyio.Lock()  # the network computes one answer at a time, in order of asking

    async def answered(request, compute):
        """The JSON answer that `compute(content)` gives in a thread of its own, or why there is none."""
        try:
            content = await _body(request)
            async with turn:
                if await request.is_disconnected():
                    return Response(status_code=GONE)
                return JSONResponse(await to_thread.run_sync(compute, content))
        except ClientDisconnect:
            return Response(status_code=GONE)
        except _TooLarge:
            return _refused(TOO_LARGE, 413)
        except InputError as error:
            return _refused(errors.shown(str(error).removeprefix(f"{NAME}: "), longest=1000), 422)
        except Exception as error:
            if type(error).__name__ not in errors.NO_MEMORY:
                raise
            return _refused("too little memory for this; close other programs, or make the image smaller", 507)

    async def predict(request):
        return await answered(request, lambda content: _view(models, content))

    async def explain(request):
        role, method = (request.query_params.get(name) for name in ("role", "method"))
        if role not in models.opened or method not in METHODS:
            return _refused(f"expected a role of {', '.join(models.opened)} and a map of {', '.join(METHODS)}", 400)
        return await answered(request, lambda content: _map(models, content, role, method))

    texts = {"/": _page(models, about, notice), "/style.css": _style(), "/script.js": _read("script.js")}
    kinds = {"/": "text/html", "/style.css": "text/css", "/script.js": "text/javascript"}

    def told(path):
        async def tell(request):
            return Response(texts[path], media_type=kinds[path])

        return Route(path, tell)

    routes = [Route("/predict", predict, methods=["POST"]), Route("/map", explain, methods=["POST"])]
    handlers = {Exception: _amiss}
    return guard.guarded(Starlette(routes=[*map(told, texts), *routes], exception_handlers=handlers))


class _TooLarge(Exception):
    pass


async def _body(request):
    """What was sent; never more of it in memory than LARGEST."""
    if int(request.headers.get("content-length", 0)) > LARGEST:
        raise _TooLarge
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST:
            raise _TooLarge
    return bytes(content)


def _refused(line, status):
    return JSONResponse({"error": line}, status_code=status)


async def _amiss(request, error):
    return _refused(f"a mistake in kidneyct ({type(error).__name__}); the terminal tells more", 500)


def _view(models, content):
    seen, run = models.view(content, NAME), models.run
    nearest = None
    if seen.nearest is not None:
        known = run.names[seen.nearest : seen.nearest + 1]
        nearest = {
            "thumbnail": _png(run.thumbnails[seen.nearest]),
            "name": known[0] if known else None,
            "label": run.labels[seen.nearest] if known else None,
        }
    return {
        "models": seen.results,
        "picture": _png(seen.pixels),
        "thumbnail": _png(seen.thumbnail),
        "nearest": nearest,
    }


def _map(models, content, role, method):
    values, label = models.map(content, NAME, role, method)
    size = (models.run.image_size,) * 2
    return {
        "class": label,
        "picture": _png(heat.colours(values, size).round().astype("uint8")),
        "top": float(heat.top(values, size)),
        "evidence": bool(np.any(values)),
    }


def _png(pixels):
    """Pixels as a data URI without loss: what the page sends back for a map is what the models saw."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def _style():
    """The report's look, and what this page adds to it."""
    return (report.TEMPLATES / "style.css").read_text(encoding="utf-8") + _read("style.css")


def _page(models, about, notice):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: report.percent(share).replace(" ", "\N{NO-BREAK SPACE}")
    parameters = about.parameters
    return environment.get_template("app.html").render(
        notice=notice,
        names=_names(models, parameters),
        parameters=parameters,
        split=parameters.get("split.by"),
        headline=about.headline,
        amiss=about.amiss,
        exported=models.run.exported,
        maps=titles.MAPS,
        clip=heat.CLIP,
        limit=models.limit,  # None where the file of an exported model holds no thumbnails
        size=models.run.image_size,
        largest=LARGEST,
        too_large=TOO_LARGE,
        formats=f"{', '.join(decoding.FORMATS)} or DICOM",
    )


def _names(models, parameters):
    """What to call each model, by role."""
    blocks = parameters.get("model.transferred_blocks", titles.BLOCKS)
    known = titles.models(parameters["weights"], blocks) if "weights" in parameters else {}
    return {role: known.get(role, role) for role in models.opened}
