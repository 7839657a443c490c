"""Placeholder until the module of this name is merged."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
