"""Files: atomic writing, the safetensors format, checkpoint files and folders, errors for damaged files."""
