"""Runs as wholes: DVC's experiments, read back or started, and a finished run's model for new images."""
