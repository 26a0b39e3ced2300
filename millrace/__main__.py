"""`python -m millrace`: the same as the command `millrace`."""

from millrace.cli import main

main()
