"""A compiled network with shapes, and layers in a row with their weights on top of one."""
