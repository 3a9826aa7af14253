"""Diagnostics of a model: the doctor, verification, and the learning rate range test."""
