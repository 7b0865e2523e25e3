"""Live: the database says "look again", one view a fleet is read and compared, and each change goes out once to all who listen."""

from __future__ import annotations
