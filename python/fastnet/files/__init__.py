"""Bytes on a disk: atomic writing, the safetensors format, checkpoint files and folders, one error for a damaged file."""
