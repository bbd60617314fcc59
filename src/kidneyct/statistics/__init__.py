"""Pure functions of labels, probabilities and series. Know neither files nor networks."""
