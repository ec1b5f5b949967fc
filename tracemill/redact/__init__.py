"""Secrets and people's names become typed placeholders before anything else sees them.

Why own rules and no library (looked at in November 2026):

* detect-secrets 1.5.0, the one kept Python library, hands every line to 27 plugins: measured on 3 MB of agent traces,
  0.12 MB/s, where we need 50 and have 200 (others saw the same: Yelp/detect-secrets#244, IBM/detect-secrets#192).
  It reports hashed secrets for audits, whereas we need the place of every value; its entropy plugins take hashes and
  base64 for secrets (``scan_line`` gave 168 000 hits in 1.9 MB that hold no key), and it knows few model providers.
* gitleaks and trufflehog are Go programs, no libraries for Python. Many of gitleaks' expressions start with
  ``[\\w.-]{0,50}?``, which RE2 runs in linear time and Python's ``re`` does not. What they know of key formats was used
  to check our own; nothing is copied.
* Vectorscan (package hyperscan, BSD and MIT, wheels for Linux, macOS, Windows) runs all our expressions in one
  pass, 1.4 ns a character, without lookarounds and without the place of a match's begin. So it is the gate in
  front (``tracemill.redact.gate``): it tells which rules a text may meet at all, most often none, and Python's ``re``
  looks for those. google-re2's ``Set`` does the same in 2.8 to 3.7 ns a character; its last release is a year old.

Placeholders: ``[REDACTED_<KIND>_<6 hex digits>]``, for home directories ``user_<6 hex digits>``; the digits are a
keyed hash of the value, so nothing is remembered between texts, files or runs. ``Redactor`` says what that protects.

Not found: passwords without digit or sign, passwords that stand without a name (``mysql -phunter2``), names of people
in prose, in ``ls -l`` or in shell prompts, what follows a dash in a project folder's name (``-Users-ann-lee-…`` loses
``ann``), and secrets cut into pieces or encoded once more, but for keys and objects of credentials in base64.
"""

from __future__ import annotations

from tracemill.redact.extra import load_rules
from tracemill.redact.redactor import Redactor
from tracemill.redact.rules import RULES

__all__ = ["RULES", "Redactor", "load_rules"]
