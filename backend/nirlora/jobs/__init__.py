"""Jobs of the backend process: their states, their queue, and the worker process that runs them."""
