"""`python -m libzdt`, and the console script `zdt`."""

import sys

from .run import main

if __name__ == "__main__":
    sys.exit(main())
