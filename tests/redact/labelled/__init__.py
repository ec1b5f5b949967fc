"""A labelled set: strings in realistic surroundings, each with the places of its secrets.

The labels follow the providers' documented key formats, not the rules of ``tracemill.redact``: what a security engineer
would call a secret, or a personal datum of the kinds that are replaced (e-mail addresses, names of home directories).
Identifiers of accounts (a Twilio SID, a tenant id), publishable keys and documented examples are none.
"""

from __future__ import annotations

from labelled.blind import BLIND_ROWS
from labelled.cloud_keys import CLOUD_KEYS
from labelled.connections import CONNECTIONS, NO_CONNECTIONS
from labelled.entry import Entry, build_entries
from labelled.harmless_code import CODE, EXAMPLES, PLACES
from labelled.harmless_values import IDENTIFIERS
from labelled.more_blind import MORE_BLIND_ROWS
from labelled.more_keys import MORE_KEYS
from labelled.more_passwords import MORE_HARMLESS, MORE_PASSWORDS
from labelled.passwords import NAMES, PASSWORDS, TOKENS
from labelled.second_blind import SECOND_BLIND_ROWS
from labelled.service_keys import MODEL_KEYS, SERVICE_KEYS
from labelled.settings import NO_SETTINGS, SETTINGS
from labelled.unseen import UNSEEN_HARMLESS, UNSEEN_SECRETS

__all__ = ["BLIND_ENTRIES", "ENTRIES", "SECOND_BLIND_ENTRIES", "Entry"]

_FIRST = (*CLOUD_KEYS, *MODEL_KEYS, *SERVICE_KEYS, *TOKENS, *PASSWORDS, *NAMES, *IDENTIFIERS, *EXAMPLES, *CODE, *PLACES)

#: The rules were made with these in sight.
ENTRIES: tuple[Entry, ...] = tuple(
    build_entries(
        (
            *(*_FIRST, *MORE_KEYS, *MORE_PASSWORDS, *MORE_HARMLESS, *UNSEEN_SECRETS, *UNSEEN_HARMLESS),
            *(*CONNECTIONS, *NO_CONNECTIONS, *SETTINGS, *NO_SETTINGS),
        )
    )
)

#: Written without sight of the rules. Their first figures are in ``labelled.second_blind``.
SECOND_BLIND_ENTRIES: tuple[Entry, ...] = tuple(build_entries(SECOND_BLIND_ROWS))

#: Written without sight of the rules.
BLIND_ENTRIES: tuple[Entry, ...] = tuple(build_entries((*BLIND_ROWS, *MORE_BLIND_ROWS)))
