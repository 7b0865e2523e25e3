"""What a fleet is made of, and the rules that need nothing but their arguments."""

from __future__ import annotations
