"""Run every image through a role's start, once: the frozen blocks' output, and the mean of each block."""

from stages import place, run

from kidneyct.backbone import devices, feature_shards, features, vgg
from kidneyct.files import arrays, checkpoint
from kidneyct.pipeline import params


def main(role):
    stage = f"features@{role}"
    p = params.load(stage)
    images = arrays.images("data/images.npy")
    image_size = images.shape[1]
    paths = place(f"data/features/{role}.npy"), place(f"data/features/{role}-pooled.npy")
    if not features.cached(image_size, p.model.frozen_blocks):
        print("features: as large as the images or larger; the frozen blocks run on the fly in training")
    title, weights = f"features of the {role}", f"models/{role}/initial.weights.h5"
    what = (images, p.model.pixel_scaling, p.model.frozen_blocks, *paths)
    if isinstance(images, arrays.Shards):
        with checkpoint.work(stage, title, "Ray") as work:  # this process leaves the devices to Ray's
            feature_shards.compute(weights, *what, work)
        return
    devices.prepare(seed=0)
    device = devices.describe("float32")
    print(f"{title}: {device}", flush=True)
    base = vgg.initialised(weights, image_size)
    with checkpoint.work(stage, title, device) as work:
        features.compute(base, *what, work)


if __name__ == "__main__":
    run(main)
