"""An app that ends the process."""

import sys

sys.exit("set SHOP first")
