"""Making networks: one run with three tasks, retrieval, patches and distillation.

The losses are in `solar.training.losses`. A training of one's own is a `Task` of
`solar.training.run.task`, given to a `Run` of `solar.training.run.run`.
"""

from importlib.util import find_spec

from solar.errors import naming_extras

with naming_extras():
    if find_spec("torch") is None:  # looked for, not imported: that takes a second
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
