"""`python -m solar`, and what `torchrun -m solar` starts."""

from solar.cli import main

main()
