"""Write a finished run's trained model into one file, for others.

It holds all that `kidneyct predict --model FILE` needs, in any folder: a zip of the weights (safetensors), a model card
to read, and the training images' thumbnails of 25x25 pixels, which are pictures of patients where the images are. Only
with them can `predict` say how much an image resembles those that the model was trained on. The same run gives the same
file. No file is overwritten, and opening it runs nothing.
"""

import os
from pathlib import Path

from kidneyct.commands import NOTICE, name
from kidneyct.pipeline.errors import shown
from kidneyct.pipeline.roles import ROLES


def add_arguments(parser):
    parser.add_argument("file", type=name, metavar="FILE", help="the file to write")
    parser.add_argument("--role", choices=ROLES, default=ROLES[0], help=f"whose model ({ROLES[0]})")
    parser.add_argument("--workspace", type=name, default=".", metavar="DIR", help="folder of the finished run (here)")
    parser.add_argument("--without-thumbnails", action="store_true", help="leave out the training images' thumbnails")


def run(options):
    from kidneyct.classifier import classifier
    from kidneyct.predict import card, model_file, trained_model

    model_file.check_place(options.file)
    finished = trained_model.finished(options.workspace, options.role)
    arrays, with_thumbnails = classifier.arrays(trained_model.network(finished.model)), not options.without_thumbnails
    model_file.write(options.file, finished, arrays, card.card(finished, with_thumbnails), with_thumbnails)
    size, images = os.path.getsize(options.file) / 2**20, len(finished.model.thumbnails)
    content = f"{'with' if with_thumbnails else 'without'} the thumbnails of {images:,} training images"
    print(f"{shown(options.file)}: the {options.role} of this run, {size:,.0f} MiB, {content}")
    print(f"Use it anywhere: kidneyct predict --model {shown(Path(options.file).name)} scan.png")
    print(NOTICE)
    return 0
