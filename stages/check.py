"""Check params.yaml whenever it changes, also where the change would rerun nothing."""

from stages import run

from kidneyct import params


def main():
    params.validate()


if __name__ == "__main__":
    run(main)
