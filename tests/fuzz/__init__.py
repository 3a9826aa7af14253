"""Fuzzers of everything in fastnet that reads a file or the body of a request: see CONTRIBUTING.md."""
