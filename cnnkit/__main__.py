"""`python -m cnnkit`, and the command `cnnkit`."""

import sys


def run() -> None:
    """Run the program; Ctrl-C while it is still being imported ends as quietly as later."""
    try:
        from cnnkit.cli import main

        main(prog_name="cnnkit")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
