"""`python -m callctl` and the command `callctl`."""

import sys

try:
    from callctl.cli.root import run_command_line
except KeyboardInterrupt:  # Reading the program takes a second on a busy machine; Ctrl-C then is no mistake to explain.
    sys.exit(130)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        sys.exit(run_command_line())
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
