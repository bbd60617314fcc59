"""Write a role's initial weights: the one file in which the two models differ."""

from pathlib import Path

from stages import run

from kidneyct import params
from kidneyct.network import devices, weights


def main(role, start):
    p = params.load("initialize")
    devices.prepare(p.seed)
    base = weights.initial(start, role, p.seed, p.model.pixel_scaling)
    path = Path("models") / role / "initial.weights.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    base.save_weights(path)
    print(f"initial weights of the {role}: {start}")


if __name__ == "__main__":
    run(main)
