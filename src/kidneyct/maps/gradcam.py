"""Grad-CAM and Grad-CAM++: where the last convolution finds evidence for a class.

Selvaraju et al. 2017 and Chattopadhay et al. 2018; both follow from one backward pass.
"""

import numpy as np


def channel_weights(gradient):
    """Selvaraju's equation 1: the gradient's mean over the positions, (n, h, w, c) to (n, c)."""
    return gradient.mean(axis=(1, 2))


def plus_alphas(activations, gradient):
    """Chattopadhay's equation 19: the share of each position in its channel's weight, (n, h, w, c).

    The class score enters as its exponential, so its second and third derivatives are the gradient's square
    and cube: g² / (2 g² + ΣA g³), with g² cancelled here lest it vanish in 32 bits. Where the gradient
    is zero, so is alpha.
    """
    total = activations.sum(axis=(1, 2), keepdims=True)  # (n, 1, 1, c)
    divisor = 2 + total * gradient
    return np.divide(1, divisor, out=np.zeros_like(gradient), where=(gradient != 0) & (divisor != 0))


def plus_weights(gradient, alphas):
    """Chattopadhay's equation 5, (n, h, w, c) twice to (n, c), without the factor exp(score) that a map shares."""
    return (alphas * np.maximum(gradient, 0)).sum(axis=(1, 2))


def weighted_sum(activations, weights):
    """Selvaraju's equation 2: what of the weighted sum of the channels is positive, (n, h, w, c) to (n, h, w)."""
    return np.maximum(np.einsum("nhwc,nc->nhw", activations, weights), 0)


def from_gradient(activations, gradient):
    """Grad-CAM, (n, h, w, c) twice to (n, h, w)."""
    return weighted_sum(activations, channel_weights(gradient))


def plus_from_gradient(activations, gradient):
    """Grad-CAM++, (n, h, w, c) twice to (n, h, w); activations are after their ReLU."""
    return weighted_sum(activations, plus_weights(gradient, plus_alphas(activations, gradient)))
