"""Networks at random, computed a second time by PyTorch's autograd from nothing but their configurations.

`networks` draws them, `layers`, `losses` and `optimizers` say in PyTorch what each class means, by its name, and
`training` puts these together. A class of fastnet that is missing here fails `tests/test_oracle.py`. `image_networks`
draws layers for images as the core's descriptions, and `images` computes these.
"""
