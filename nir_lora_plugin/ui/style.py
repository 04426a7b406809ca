"""Colours and the style sheet of the dock. Tints are translucent, so that they suit light and dark themes."""

from __future__ import annotations

ACCENT = "#c22b3f"
ACCENT_HOVER = "#a92336"
DONE = "#2e8b57"
WAITING = "#8a929b"
WARNING = "#b7791f"
ERROR = "#c0392b"
INFO = "#3b78b5"
MUTED = "#7d858e"
LOSS = "#c22b3f"
IOU = "#2f7fb8"

# Of the notices: background and edge.
TINTS = {
    "info": ("rgba(59, 120, 181, 26)", INFO),
    "good": ("rgba(46, 139, 87, 28)", DONE),
    "warning": ("rgba(217, 160, 30, 38)", WARNING),
    "error": ("rgba(192, 57, 43, 30)", ERROR),
}


def stylesheet() -> str:
    """Style sheet of the whole dock; names and properties are set by the widgets."""
    notices = "".join(
        f'QFrame#notice[level="{level}"] {{ background: {fill}; border: none;'
        f" border-left: 3px solid {edge}; border-radius: 3px; }}"
        for level, (fill, edge) in TINTS.items()
    )
    return (
        "QFrame#step { border: 1px solid rgba(128, 134, 142, 80); border-left: 4px solid"
        " rgba(128, 134, 142, 80); border-radius: 5px; }"
        f'QFrame#step[state="current"] {{ border-left: 4px solid {ACCENT}; }}'
        f'QFrame#step[state="done"] {{ border-left: 4px solid {DONE}; }}'
        f"QLabel#muted {{ color: {MUTED}; }}"
        f"QLabel#missing {{ color: {WARNING}; }}"
        "QPushButton#primary { padding: 6px 12px; border-radius: 4px; font-weight: bold; border: none;"
        f" background: {ACCENT}; color: white; }}"
        f"QPushButton#primary:hover {{ background: {ACCENT_HOVER}; }}"
        f"QPushButton#primary:pressed {{ background: {ACCENT_HOVER}; padding-top: 7px; }}"
        "QPushButton#primary:focus { border: 1px solid white; }"
        "QPushButton#primary:disabled { background: rgba(128, 134, 142, 90);"
        " color: rgba(255, 255, 255, 190); }"
        "QToolButton#segment { padding: 4px 6px; border: 1px solid rgba(128, 134, 142, 110); }"
        f"QToolButton#segment:checked {{ background: {ACCENT}; border-color: {ACCENT}; color: white;"
        " font-weight: bold; }"
        "QProgressBar#job { border: none; border-radius: 4px; background: rgba(128, 134, 142, 60);"
        " min-height: 8px; max-height: 8px; }"
        f"QProgressBar#job::chunk {{ background: {ACCENT}; border-radius: 4px; }}" + notices
    )
