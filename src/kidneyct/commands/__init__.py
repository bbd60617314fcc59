"""What a person types: `kidneyct COMMAND`, a module each."""
