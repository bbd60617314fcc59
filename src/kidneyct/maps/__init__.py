"""A map as pure steps: arrays in, arrays out. Neither drawn nor measured here."""
