"""Finished runs and experiments, read back: what DVC's lock and its list of experiments say."""
