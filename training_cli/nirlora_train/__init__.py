"""The command line: options to request, request to nirlora, result to the terminal. No logic of its own."""
