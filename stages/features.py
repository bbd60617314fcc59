"""Run every image through a role's frozen blocks, once."""

from stages import place, run

from kidneyct import arrays, params
from kidneyct.network import devices, features, vgg


def main(role):
    p = params.load(f"features@{role}")
    images = arrays.images("data/images.npy")
    image_size = images.shape[1]
    path = place(f"data/features/{role}.npy")
    if not features.cached(image_size, p.model.frozen_blocks):
        features.write_placeholder(path)
        print("features: as large as the images or larger; the frozen blocks run on the fly in training")
        return
    devices.prepare(seed=0)
    print(f"features of the {role}: {devices.describe('float32')}", flush=True)
    base = vgg.base(image_size)
    base.load_weights(f"models/{role}/initial.weights.h5")
    features.compute(base, images, p.model.pixel_scaling, p.model.frozen_blocks, path)


if __name__ == "__main__":
    run(main)
