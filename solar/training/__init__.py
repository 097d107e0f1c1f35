"""Making models: losses, distillation, training loops."""
