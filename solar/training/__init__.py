"""Making networks: one run with three tasks, retrieval, patches and distillation.

The losses are in `solar.training.losses`. A training of one's own is a `Task` of
`solar.training.run.task`, given to a `Run` of `solar.training.run.run`.
"""
