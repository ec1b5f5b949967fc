"""Whether a literal is a password where its name says so without doubt: pass phrases, words joined by signs.

``tracemill.redact.shapes`` asks for letters with digits or signs and takes what looks like a name of code for one.
Where only a password may stand (``DB_PASSWORD=…`` on a line of its own, ``password = "…"``), less is enough.
"""

from __future__ import annotations

import re

from tracemill.redact.shapes import is_assigned_password, is_placeholder


def split_words(words: str) -> frozenset[str]:
    """The words that blanks separate."""
    return frozenset(words.split())


#: What sentences, labels and messages about passwords have, and pass phrases have not.
_PROSE = split_words(
    "a about again allow allowed an any are as at auth be been bits but by bytes can cannot case change "
    "changed char  character characters chars check choose click code confirm confirmation contain contains "
    "correct create current  day days default denied digit digits do does don't email enter env error expired "
    "expires failed false field file  for forgot form found from get given has have help here hide hint hour "
    "hours if in incorrect input invalid is it  its key last least length letter letters like login long "
    "longer lower lowercase match max may min minimum minute  minutes missing month more must my name need "
    "needs new no none not null number numbers of old on once one only  optional or our out parameter pass "
    "passphrase password passwords per please prompt provided reset required row  same schema see set short "
    "should show sign signs special step strength string strong symbol symbols test text  than that the their "
    "then these this times to token too true try type unknown update uppercase use used user  username using "
    "valid value version was weak when where which will with within without wrong year years you your  mot "
    "passe votre le la les der die das dein ihr passwort bitte contrase\u00f1a su tu el"
)
_JOINED = re.compile(r"[^\W_]+(?:[-_. ]+[^\W_]+){1,7}[!?.]?")
_STEM = re.compile(
    r"pass(?!port|ion|age)|pwd|secret|token|auth|confirm|valid|require|user|account|login|field|error", re.I
)
#: ``xkqv wmzt bnlp rhdc``, as Google makes them for mail programs.
_APP_PASSWORD = re.compile(r"[a-z]{4}(?:[ \u00a0][a-z]{4}){3}")
_REFERENCE = re.compile(
    r"[@!][a-z][a-z_-]{1,30}(?:[:( /]|\Z)|(?:ssm|op|vault|sops|arn|env|file|aws|gcp|azure|secret|secrets|ref|keyring"
    r"|doppler|infisical|bws|conjur|kms|data|ENC|cipher|lookup|projects|\{cipher\})[:(/]|(?:[\w-]+/){2,}[\w-]+|%\w+%",
    re.IGNORECASE,
)
#: A call, an index, a template, a comparison: code. ``Yx$4(flotsam)Ea`` is none.
_CODE = re.compile(
    r"[A-Za-z_][\w.]*\(.*\)?\Z|[A-Za-z_][\w.]*\[.*|.*(?:\$\{|\$\(|\{\{|<%|%\(|=>|->|::|\|\||&&).*|<[^<>]*>"
    r"|[A-Z_]+|\$\w+"
)
_CAMEL = re.compile(r"[a-z]+(?:[A-Z][a-z]*)+\d{0,2}|[A-Z_]+\d{0,2}|[A-Z][a-z]+(?:[A-Z][a-z]+)+\d{0,2}")

#: What a text about a network's key has, and the key has not.
_NO_NETWORK_KEY = re.compile(
    r"(?:^|[ (-])(?:pre|shared|keys?|pass\w*|psk|wpa\w*|phrase|network)(?:$|[ ),.:-])", re.IGNORECASE
)


def is_sure_password(value: str, is_certain: bool) -> bool:
    """Whether a literal that only a password's name precedes is one.

    ``is_certain``: the name is an environment's variable, or the value is in quotes; else names of code may follow it.
    """
    if len(value) < 6 or is_placeholder(value) or _REFERENCE.match(value) or _CODE.fullmatch(value):
        return False
    if is_pass_phrase(value, 3 if is_certain else 4):
        return True
    if " " in value:
        return False
    if is_assigned_password(value, is_certain):
        return True
    return _is_mixed(value) and not _STEM.search(value) and not _CAMEL.fullmatch(value)


def is_pass_phrase(value: str, least: int = 3) -> bool:
    """Whether a value is made of words as no sentence is: ``least`` of them, or fewer with a number or a sign."""
    if _APP_PASSWORD.fullmatch(value):
        return not _PROSE & set(value.split())
    if " " in value and _has_sign_word(value):
        return not _has_prose(value) and not is_placeholder(value)
    if not _JOINED.fullmatch(value) or _STEM.search(value) or is_placeholder(value) or _has_prose(value):
        return False
    words = re.split(r"[-_. ]+", value.rstrip("!?."))
    if "_" in value and len(words) >= 3 and any(map(str.istitle, words)) and any(map(str.islower, words)):
        return True  # names in code keep to one way of writing
    letters = [word for word in words if word.isalpha() and len(word) >= 3]
    has_number = any(map(str.isdigit, value)) and not all(map(_is_counted, words))
    if " " in value or "-" in value:
        return len(letters) >= (2 if has_number and " " in value else least)
    return False


def is_network_key(value: str) -> bool:
    """Whether the quoted value of ``psk`` is a pass phrase: words, and none that a text about such a key has."""
    if is_pass_phrase(value):
        return True
    is_words = " " in value and 8 <= len(value) <= 63 and value.isprintable() and value[0].isalnum()
    return is_words and not is_placeholder(value) and not _NO_NETWORK_KEY.search(value)


def list_prose(value: str) -> frozenset[str]:
    """Those words of a value that sentences about passwords have."""
    return _PROSE.intersection(re.split(r"[^\w']+|_", value.lower()))


def has_stem(value: str) -> bool:
    """Whether a value speaks of passwords, users, fields, as names and labels do."""
    return bool(_STEM.search(value))


def _is_counted(word: str) -> bool:
    return word.isdigit() and len(word) > 4


def _has_prose(value: str) -> bool:
    return not _PROSE.isdisjoint(re.split(r"[^\w']+", value.lower()))


def _has_sign_word(value: str) -> bool:
    """``kR!t7 gneiss``: two or three words, one of which holds letters with a digit and a sign among them."""
    words = value.split()
    return len(words) <= 4 and any(
        len(word) >= 4 and re.search(r"\w[!@#$%^&*~]\w", word) and re.search("[A-Za-z]", word) for word in words
    )


def _is_mixed(value: str) -> bool:
    """Capitals, small letters and digits, with a sign between: ``d8t_rUns_ok``, ``e9Lobster.kite``."""
    if not re.search(r"\w[-_.]\w", value) or re.search(r"[\s/\\]", value):
        return False
    return all(any(map(case, value)) for case in (str.isupper, str.islower, str.isdigit))
