"""A finished run read back, its model for new images, and as one file for others."""
