"""Settings of the whole suite."""

import os

# As the command line does: a busy machine must not make torch's threads spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
