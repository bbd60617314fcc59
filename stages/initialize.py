"""Write a role's initial weights: the one file in which the two models differ."""

from stages import draft, run

from kidneyct import params, roles
from kidneyct.network import devices, vgg, weights


def main(role):
    p = params.load(f"initialize@{role}")
    start = p.weights if hasattr(p, "weights") else roles.CONTROL
    devices.prepare(p.seed)
    base = weights.initial(start, role, p.seed, p.model.pixel_scaling, p.model.transferred_blocks)
    with draft(f"models/{role}/initial.weights.h5") as partial:
        base.save_weights(partial)
    part = f", its first {p.model.transferred_blocks} blocks" if p.model.transferred_blocks < vgg.BLOCKS else ""
    print(f"initial weights of the {role}: {start}{part}")


if __name__ == "__main__":
    run(main)
