"""Compile, evaluate, predict and fit: the loop, the state of a run, checkpoints, receipts, inspection."""
