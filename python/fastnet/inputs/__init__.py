"""Conversion of user data (arrays, tables, sparse matrices, batches) to the form that the core reads."""
