"""`kidneyct export`: a run's trained model as one file for others."""

import os
from pathlib import Path

from kidneyct.commands import NOTICE, name
from kidneyct.pipeline.errors import shown
from kidneyct.pipeline.roles import ROLES

HELP = "write a finished run's trained model into one file, for others"
DESCRIPTION = """\
Write the model that a finished run trained into one file, with all that `kidneyct predict --model FILE` needs: no run,
no data and no project have to be where it is used. It is a zip of the weights (safetensors), a model card to read, the
training images' thumbnails. Opening it runs nothing."""
EXAMPLES = """\
examples:
  kidneyct export candidate.zip
      candidate.zip: the candidate of this run, 133 MiB, with the thumbnails of 8,712 training images: …

  kidneyct predict --model candidate.zip scan.png
      on another machine, in any folder

The thumbnails, 25x25 pixels, are pictures of patients where the training images are. They tell whether an image looks
like those that the model was trained on; without them `predict` says that likeness can't be told.

The same run gives the same file. No file is overwritten."""


def add_arguments(parser):
    parser.add_argument("file", type=name, metavar="FILE", help="the file to write")
    parser.add_argument("--role", choices=ROLES, default=ROLES[0], help=f"whose model ({ROLES[0]})")
    parser.add_argument("--workspace", type=name, default=".", metavar="DIR", help="folder of the finished run (here)")
    parser.add_argument("--without-thumbnails", action="store_true", help="leave out the training images' thumbnails")


def run(options):
    from kidneyct.classifier import classifier
    from kidneyct.predict import card, model_file, models, trained_model

    model_file.check_place(options.file)
    finished = trained_model.finished(options.workspace, options.role)
    arrays, with_thumbnails = classifier.arrays(models.network(finished.model)), not options.without_thumbnails
    model_file.write(options.file, finished, arrays, card.card(finished, with_thumbnails), with_thumbnails)
    size, images = os.path.getsize(options.file) / 2**20, len(finished.model.thumbnails)
    content = f"{'with' if with_thumbnails else 'without'} the thumbnails of {images:,} training images"
    print(f"{shown(options.file)}: the {options.role} of this run, {size:,.0f} MiB, {content}")
    print(f"Use it anywhere: kidneyct predict --model {shown(Path(options.file).name)} scan.png")
    print(NOTICE)
    return 0
