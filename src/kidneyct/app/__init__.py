"""The page that is served on the user's own machine: its routes, who may ask, and what it says."""
