"""``python -m vzlab`` is the command ``vzlab``."""

from vzlab.cli import main

if __name__ == "__main__":
    main()
