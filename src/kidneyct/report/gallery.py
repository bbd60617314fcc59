"""Pictures for the page, written into it."""

import base64
import io
import itertools

import numpy as np
from PIL import Image

from kidneyct.report import heat, titles

WIDTH = 1400  # pixels: wider charts are made smaller
ROOM = 2_800_000  # bytes of cards, so that the page stays below 5 MB


def cards(examples):
    """Cards of the test images explained, and how many are left out to keep the page small.

    `examples` has a list of `Example`s for each role. An image is shown once a role, a mistake among the examples too.
    """
    once = [{(each.label, each.name): (role, each) for each in own}.values() for role, own in examples.items()]
    by_turns = filter(None, itertools.chain.from_iterable(itertools.zip_longest(*once)))  # room for each role
    fitting, left_out, room = [], 0, ROOM
    for role, example in by_turns:
        pictures = {"original": example.image}
        for method, values in example.maps.items():
            title = titles.MAPS[method] + ("" if values.any() else " (no evidence)")
            pictures[title] = heat.picture(example.image, values)
        tiles = {title: encoded(pixels, quality=75) for title, pixels in pictures.items()}
        size = sum(map(len, tiles.values()))
        if size > room:
            left_out += 1
            continue
        room -= size
        right = example.label == example.predicted
        fitting.append(example._asdict() | {"role": role, "right": right, "tiles": tiles})
    return sorted(fitting, key=lambda card: list(examples).index(card["role"])), left_out


def chart(path):
    """A PNG as {source, width, height}; photographs among them are compressed with a loss."""
    picture = Image.open(path).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    few = picture.getcolors(maxcolors=4096) is not None
    return {"source": encoded(picture, None if few else 82), "width": picture.width, "height": picture.height}


def encoded(pixels, quality=None):
    """A picture as a data URI: WebP, lossless unless a quality is given."""
    buffer = io.BytesIO()
    options = {"lossless": True} if quality is None else {"quality": quality}
    Image.fromarray(np.asarray(pixels)).save(buffer, "WEBP", method=2, **options)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
