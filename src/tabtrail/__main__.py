"""`python -m tabtrail` is the `tabtrail` command."""

from tabtrail.cli.app import main

if __name__ == "__main__":
    main()
