"""The networks: attention, pooling, whitening, global descriptors, checkpoints."""
