"""How long a browser's page is waited for: said once, for Playwright keeps it for the whole process, whichever file said it last."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import expect

WAITS_MS: Final = 60_000
"""A browser that draws by the processor shares it with everything else."""
expect.set_options(timeout=WAITS_MS)
