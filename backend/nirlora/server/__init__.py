"""The backend process as others see it: HTTP on this machine alone. Never imports torch."""
