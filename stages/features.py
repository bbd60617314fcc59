"""Write a role's initial weights, the one file in which the two models differ; and run every image through them, once.

Kept are the frozen blocks' output and the mean of each block.
"""

from pathlib import Path

from stages import atomic_write, run

from kidneyct.backbone import devices, features, vgg, weights
from kidneyct.files import arrays, checkpoint
from kidneyct.pipeline import lock, params, roles


def main(role):
    stage, title = f"features@{role}", f"features of the {role}"
    p = params.load(stage)
    folder = f"data/features/{role}"
    start = p.weights if hasattr(p, "weights") else roles.CONTROL_START
    images = arrays.images("data/images/images.npy")
    image_size = images.shape[1]
    if p.model.frozen_blocks and not features.cached(image_size, p.model.frozen_blocks):
        print("features: as large as the images or larger; the frozen blocks run on the fly in training")
    device = devices.describe("float32")
    print(f"{title}: {device}", flush=True)
    if start not in roles.STARTS:  # another file may lie there by now
        device += f", from {lock.digest(Path(start))}"
    with checkpoint.opened(stage, title, device) as work:
        initial = work.folder / "initial.weights.h5"
        if not initial.exists():
            devices.prepare(p.seed)
            base = weights.initial(start, role, p.seed, p.model.pixel_scaling, p.model.transferred_blocks)
            with atomic_write(initial) as partial:
                base.save_weights(partial)
        what = images, p.model.pixel_scaling, p.model.frozen_blocks, f"{folder}/features.npy", f"{folder}/pooled.npy"
        devices.prepare(seed=0)
        features.compute(vgg.initialised(initial, image_size), *what, work)
        with work.writing(f"{folder}/{initial.name}"):
            pass  # it lies there already
    part = f", its first {p.model.transferred_blocks} blocks" if p.model.transferred_blocks < params.BLOCKS else ""
    print(f"{title}: {len(images):,} images; initial weights: {start}{part}")


if __name__ == "__main__":
    run(main)
