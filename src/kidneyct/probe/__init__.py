"""A tuned linear model on frozen features, and the weights of classes and series that it is fitted with."""
