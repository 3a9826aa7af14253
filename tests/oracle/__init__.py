"""Networks at random, computed a second time by PyTorch's autograd from nothing but their configurations.

`networks` and `image_networks` draw them, `layers` with `activations` and `images`, `losses` and `optimizers` say in
PyTorch what each class means, by its name, and `training` puts these together. A class of fastnet that is missing here
fails `tests/test_oracle.py`.
"""
