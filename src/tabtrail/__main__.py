"""`python -m tabtrail` is the `tabtrail` command."""

from tabtrail.cli import main

if __name__ == "__main__":
    main()
