"""One training run: folder, log, checkpoint, processes."""
