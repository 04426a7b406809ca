"""Published experiments as files, and how they are run."""
