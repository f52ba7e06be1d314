"""facefind completion SHELL"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from facefind.cli.context import App, facefind_command


@facefind_command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(_app: App, shell: str) -> int:
    """Print the completion script of a shell; put it into the shell's start file.

    \b
    bash:  eval "$(facefind completion bash)"
    zsh:   eval "$(facefind completion zsh)"
    fish:  facefind completion fish | source
    """
    from facefind.cli.main import main

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(main, {}, "facefind", "_FACEFIND_COMPLETE").source())
    return 0
