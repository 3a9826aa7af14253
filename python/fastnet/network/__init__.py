"""The compiled network with its shapes, and a sequence of layers and weights on top of it."""
