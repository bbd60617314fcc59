"""Numbers as they are written into JSON."""

DIGITS = 6


def rounded(tree, digits=DIGITS):
    """The same nested dictionary with plain numbers: whole ones, text and truths as they are, others rounded."""
    if isinstance(tree, dict):
        return {key: rounded(value, digits) for key, value in tree.items()}
    return tree if isinstance(tree, int | str) else round(float(tree), digits) + 0.0  # never -0.0
