"""Models as files of C99."""
