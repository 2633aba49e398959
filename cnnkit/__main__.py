"""`python -m cnnkit`, and the command `cnnkit`."""

import signal
import sys


def run() -> None:
    """Run the program; Ctrl-C while it is still being imported ends as quietly as later."""
    try:
        from cnnkit.cli import main

        main(prog_name="cnnkit")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # The exit code is settled: Ctrl-C while Python is put away would make another of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    run()
