"""What model and backbone files say of themselves."""

from __future__ import annotations

import json
import zipfile


def card(path):
    """The card of a ``.nirlora`` or ``.nirlora-backbone`` file."""
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("card.json"))
