"""The logger of this package."""

import logging

log = logging.getLogger("libzdt")
