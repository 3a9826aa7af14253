"""Tools independent of networks: checks of arguments, registries, HTML, figures, curves, JSON values."""
