"""Weights and modules of PyTorch, read and written without PyTorch."""
