"""The icons of the drawing as SVG paths: kinds of nodes (16×16) and states (12×12)."""

from __future__ import annotations

KINDS = {
    "step": "M5.5 3.6 12 8l-6.5 4.4z",
    "sleep": "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.3 1.3",
    "event": "M9 2 4 9h3.6L7 14l5-7H8.4z",
    "approval": "M6.5 8a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM2 13.6c.2-2.4 2-3.8 4.5-3.8 "
    ".9 0 1.7.2 2.4.5M9.8 12l1.7 1.7 2.8-3.3",
    "workflow": "M2.5 2.5H9v6.2H2.5zM9 7.3h4.5v6.2H7v-4.8",
    "branch": "M8 13.5V9.4M8 9.4 3.4 4.6M8 9.4l4.6-4.8M3.2 7.6v-3h3M9.8 4.6h3v3",
    "parallel": "M4 3v10M8 3v10M12 3v10",
    "foreach": "M8 2.2 14 5.3 8 8.4 2 5.3zM2.2 8.4 8 11.4l5.8-3M2.2 11.2 8 14.2l5.8-3",
    "repeat": "M13 8a5 5 0 1 1-1.5-3.6M13.2 2v3h-3",
    "catch": "M8 2l5 1.8v4c0 3-2 5-5 6.2-3-1.2-5-3.2-5-6.2v-4z",
}

STATUSES = {
    "running": "M6 2.4A3.6 3.6 0 1 1 2.4 6",
    "waiting": "M6 3.1V6l1.9 1.2",
    "paused": "M4.6 3.7v4.6M7.4 3.7v4.6",
    "blocked": "M6 2.9v3.6M6 8.9v.1",
    "done": "M3.2 6.2l2 2 3.7-4.3",
    "failed": "M3.7 3.7l4.6 4.6M8.3 3.7 3.7 8.3",
    "cancelled": "M3.4 8.6l5.2-5.2",
    "compensated": "M4.8 2.8 2.9 4.7l1.9 1.9M3 4.7h3.6a2.2 2.2 0 0 1 0 4.4H4.4",
    "skipped": "M3.4 6h5.2",
}
