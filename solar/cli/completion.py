"""solar completion: what a shell reads to complete commands and options."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from solar.errors import UsageError
from solar.files import shown

ASKED = "_SOLAR_COMPLETE"
"""Variable of the environment by which a shell asks what may come next."""

SHELLS = ("bash", "zsh", "fish", "powershell")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("completion", epilog="Example: solar completion bash >> ~/.bashrc")(completion)


def completion(
    shell: Annotated[str, typer.Argument(help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}.")],
) -> None:
    """Print what a shell reads at its start, so that Tab completes commands and options.

    bash: into ~/.bashrc; zsh: into ~/.zshrc, after compinit; fish: into
    ~/.config/fish/completions/solar.fish; powershell: into the file that $PROFILE names.
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise UsageError(f"shell {shown(shell)}: use {', '.join(SHELLS)}")
    script = get_completion_script(prog_name="solar", complete_var=ASKED, shell=shell)
    sys.stdout.write(script + "\n")


def answer_shells() -> None:
    """Let typer answer a shell that asks what may come next."""
    from typer._completion_classes import completion_init

    completion_init()
