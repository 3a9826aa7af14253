"""What one asks of a model besides training: the doctor, verification, the search for a learning rate."""
