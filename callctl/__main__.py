"""`python -m callctl` and the command `callctl`."""

import sys

from callctl.cli.root import run_command_line


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run_command_line())


if __name__ == "__main__":
    main()
