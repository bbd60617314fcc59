"""Thumbnails whose correlations are known."""

import numpy as np


def pictures(*angles):
    """Thumbnails whose correlations are the cosines of the differences of their angles, in degrees."""
    wave = np.sin(2 * np.pi * np.arange(625) / 625), np.cos(2 * np.pi * np.arange(625) / 625)
    turned = [np.cos(np.radians(angle)) * wave[0] + np.sin(np.radians(angle)) * wave[1] for angle in angles]
    return np.round(127 + 120 * np.array(turned)).astype("uint8").reshape(-1, 25, 25)
