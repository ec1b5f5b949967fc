"""Rows → files, one module a consumer."""
