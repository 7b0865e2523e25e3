"""The hub's door: orders in, answers out. FastAPI, pydantic at this border only; every error is an RFC 9457 problem with a next step."""

from __future__ import annotations
