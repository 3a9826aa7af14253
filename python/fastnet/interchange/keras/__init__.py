"""Files of Keras, read and written."""
