"""Side-by-side benchmark of fastnet and its peers: `python -m benchmarks --help`; README.md explains it."""
