"""Write a role's initial weights: the one file in which the two models differ."""

from stages import atomic_write, run

from kidneyct.backbone import devices, vgg, weights
from kidneyct.pipeline import params, roles


def main(role):
    p = params.load(f"initialize@{role}")
    start = p.weights if hasattr(p, "weights") else roles.CONTROL
    devices.prepare(p.seed)
    base = weights.initial(start, role, p.seed, p.model.pixel_scaling, p.model.transferred_blocks)
    with atomic_write(f"models/{role}/initial.weights.h5") as partial:
        base.save_weights(partial)
    part = f", its first {p.model.transferred_blocks} blocks" if p.model.transferred_blocks < vgg.BLOCKS else ""
    print(f"initial weights of the {role}: {start}{part}")


if __name__ == "__main__":
    run(main)
