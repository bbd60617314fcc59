"""What crosses a split, and what can be told without a network."""
