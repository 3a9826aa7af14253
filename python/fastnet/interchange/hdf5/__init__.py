"""Texts and arrays in HDF5 files, read without a library."""
