"""Small tools that know nothing of networks: checks of arguments, registries, HTML, figures, curves, JSON values."""
