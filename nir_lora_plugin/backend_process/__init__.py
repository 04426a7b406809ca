"""The backend process: whether it is installed, installing it, starting and stopping it."""
