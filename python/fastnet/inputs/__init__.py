"""From what users hand to `fit` and `predict` (arrays, tables, sparse matrices, batches) to what the core reads."""
