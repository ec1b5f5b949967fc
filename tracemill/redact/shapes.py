"""Whether a value looks like a secret: what tells a key from a placeholder, a word, an identifier.

A rule's pattern says where a secret may be; these tests keep what is none: ``your-api-key``, ``xxxx``, ``${VAR}``,
``<token>``, ``os.environ[...]``, ``self.token``, and the keys that vendors print in their documents.
"""

from __future__ import annotations

import math
import re
from collections import Counter

#: Keys that vendors publish as examples; they open nothing.
DOCUMENTED_EXAMPLES: tuple[str, ...] = (
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",  # signature of the token on jwt.io
    "4eC39HqLyjWDarjtT1zdp7dc",  # Stripe's documents
    "BQokikJOvBiI2HlWgH4olfQ2",  # Stripe's documents, older
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",  # Azure's storage emulator
    "16C7e42F292c6912E7710c838347Ae178B4a",  # GitHub's documents
    "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",  # Telegram's documents
    "ABC-DEF1234ghIkl-zyx57W2v1u123ew11",  # Telegram's documents
)

_PLACEHOLDER = re.compile(
    r"(?<![a-z0-9])(?:your|fake|mock|todo|null|my[_-]?(?:secret|pass|key|token|api))"
    r"|example|sample|dummy|change[_-]?(?:me|this|it)|place_?holder|redacted|insert|replace|fixme|x{4}|\*{3}|\.\.\.|…"
    r"|foobar|abcdefg|1234567|0123456|deadbeef|process\.env|environ|getenv|secrets\.|config\.|op://|vault:|undefined"
    r"|user_[0-9a-f]{6}|(.)\1{7}",
    re.IGNORECASE,
)
_NON_VALUE_START = frozenset("$<>{}[]()%#~&|!,;:=*.@`\\")
_WORDS = re.compile(
    r"[A-Za-z]{0,3}?(?:[A-Za-z]+|v?\d{1,8}|[A-Za-z]+\d{1,2})(?:[-_./:+~]+(?:[A-Za-z]+|v?\d{1,8}|[A-Za-z]+\d{1,2}))*[-_./:]*"
)
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+[!?]?")
_SEGMENT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_CODE = re.compile(r"[A-Za-z_$][\w$]*\??\.[A-Za-z_][^\d]*|0x[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_PASSWORD_SIGN = re.compile(r"[!@#$%^&*?+=~]")
_COMMON_PASSWORD_WORDS = frozenset(
    {
        "admin",
        "boolean",
        "false",
        "function",
        "guest",
        "hidden",
        "integer",
        "mysql",
        "none",
        "number",
        "object",
        "optional",
        "pass",
        "passwd",
        "password",
        "postgres",
        "pwd",
        "redis",
        "required",
        "root",
        "secret",
        "string",
        "test",
        "text",
        "token",
        "true",
        "user",
        "username",
    }
)


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret without being one: an example, a template, a run of the same letter."""
    if len(set(value)) < 5 or _PLACEHOLDER.search(value):
        return True
    return any(example in value for example in DOCUMENTED_EXAMPLES)


def is_key(value: str) -> bool:
    """Whether a value with a provider's prefix is a key: random, neither placeholder nor words joined by dashes."""
    if is_placeholder(value):
        return False
    is_wordy = not any(letter.isdigit() for letter in value) or (_WORDS.fullmatch(value) and not _is_hex(value))
    return not is_wordy or _compute_segment_chars(value) < 3.0


def is_random(value: str) -> bool:
    """Whether a value has the look of chance: letters and digits that change places too often for words."""
    segment_chars = _compute_segment_chars(value)
    if _WORDS.fullmatch(value) and not _is_hex(value):
        return len(value) >= 16 and segment_chars < 2.2
    has_digit = any(letter.isdigit() for letter in value)
    has_letter = any(letter.isalpha() for letter in value)
    if not has_digit:
        return len(value) >= 16 and segment_chars < 2.2
    return has_letter and segment_chars < 4.0 and _compute_entropy(value) >= 2.8


def is_assigned_key(value: str, quoted: bool) -> bool:
    """Whether the value of ``API_KEY=…``, ``token: …``, ``secret=…`` is a secret: at least 16 random characters."""
    if len(value) < 16 or value[0] in _NON_VALUE_START or is_placeholder(value):
        return False
    if value[0] == "/" and len(value) != 40:  # a path; of 40 characters also a secret key of AWS
        return False
    if "://" in value or any(letter in "[]{}()<>" for letter in value) or (not quoted and _ATTRIBUTE.fullmatch(value)):
        return False
    return bool(_UUID.fullmatch(value)) or is_random(value)


def is_assigned_password(value: str, quoted: bool) -> bool:
    """Whether the value of ``password=…`` is a secret: at least 6 characters, letters with digits or signs."""
    if len(value) < 6 or value[0] in "$<{[(%" or is_placeholder(value) or value.lower() in _COMMON_PASSWORD_WORDS:
        return False
    if value.startswith(("/", "./", "~/", "http://", "https://", "--")) or _ATTRIBUTE.fullmatch(value):
        return False
    if not quoted and _CODE.fullmatch(value):
        return False
    if not any(letter.isalpha() for letter in value):
        return quoted and value.isdigit()
    if _PASSWORD_SIGN.search(value.rstrip("=?!")) or value[-1] == "!":
        return quoted or not any(sign in value for sign in "()[]{}")
    if not any(letter.isdigit() for letter in value):
        return len(value) >= 16 and _compute_segment_chars(value) < 2.2
    return quoted or "_" not in value


def is_url_password(user: str, password: str) -> bool:
    """Whether ``password`` of ``scheme://user:password@host`` is a secret; ``postgres:postgres`` is a default."""
    if password in (user, "") or password[0] in "$<{[(%*" or password.lower() in _COMMON_PASSWORD_WORDS:
        return False
    return len(password) >= 3 and not _PLACEHOLDER.search(password) and len(set(password)) > 1


def _is_hex(value: str) -> bool:
    return len(value) >= 20 and all(letter in "0123456789abcdefABCDEF-" for letter in value)


def _compute_segment_chars(value: str) -> float:
    """The mean length of runs of one case or of digits: 1.7 in base64, 2.1 in hex, 4 and more in identifiers."""
    segments = _SEGMENT.findall(value)
    return sum(map(len, segments)) / len(segments) if segments else 0.0


def _compute_entropy(value: str) -> float:
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())
