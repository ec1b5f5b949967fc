"""Whether a value looks like a secret: what tells a key from a placeholder, a word, an identifier.

A rule's pattern says where a secret may be; these tests keep what is none: ``your-api-key``, ``xxxx``, ``${VAR}``,
``<token>``, ``os.environ[...]``, ``self.token``, and the keys that vendors print in their documents.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from tracemill.redact.letters import is_unspoken

#: Keys that vendors publish as examples; they open nothing.
DOCUMENTED_EXAMPLES: tuple[str, ...] = (
    "IOSFODNN7EXAMPLE",  # AWS's documents
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
    r"|user_[0-9a-f]{6}|u003c|&lt;|(.)\1{7}",
    re.IGNORECASE,
)
#: A home directory's placeholder within what is then no key but words: redacting again must not take it for one.
_HOME_WITHIN = re.compile(r"(?:home|Users)(?:[-/\\]|%2F)user_[0-9a-f]{6}")
#: All of a key but a few characters covered: ``sk-abcdxxxxxxxxxxxx``.
_MASKED = re.compile(r"\w{0,8}?([xX0*])\1{11,}\w{0,4}")
_RUNS = tuple(
    run * 20
    for run in (
        "0123456789",
        "0123456789abcdef",
        "1234567890abcdef",
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "1234567890abcdefghijklmnopqrstuvwxyz",
        "abcdefghijklmnopqrstuvwxyz",
    )
)
#: What a placeholder is made of, between its dashes: a word, a small number, a run of the same character.
_STAND_IN_PART = re.compile(r"[a-z]{1,14}\d{0,2}|[A-Z]{1,14}\d{0,2}|[A-Z][a-z]{1,13}|\d{1,4}|\w{0,2}?(\w)\1{3,}")
_STAND_IN_WORD = re.compile(
    r"(?:your?|my|fake|mock|dummy|example|sample|place|placeholder|test|todo|insert|replace|change|changeme|redacted"
    r"|here|signature|foobar|xxx)\d{0,2}|\w{0,2}?(\w)\1{3,}",
    re.IGNORECASE,
)
_NON_VALUE_START = frozenset("$<>{}[]()%#~&|!,;:=*.@`\\")
_WORDS = re.compile(
    r"[A-Za-z]{0,3}?(?:[A-Za-z]+|v?\d{1,8}|[A-Za-z]+\d{1,2})(?:[-_./:+~]+(?:[A-Za-z]+|v?\d{1,8}"
    r"|[A-Za-z]+\d{1,2}))*[-_./:]*"
)
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*)+[!?]?")
_SEGMENT = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_CODE = re.compile(r"[A-Za-z_$][\w$]*\??\.[A-Za-z_][^\d]*|0x[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
#: Tokens that providers mean to be seen, in a browser say.
_PUBLISHABLE = re.compile(r"pk\.eyJ|pk_(?:live|test)_|pk-lf-|phc_|sb_publishable_|rzp_(?:live|test)_|pub-c-|sub-c-")
_ALGORITHM = re.compile(
    r"(?:[a-z0-9]{1,10}[-_/])*(?:hmac|sha|rsa|aes|ecdsa|ecdh|ecdhe|pbkdf2|scram|bcrypt|argon2|scrypt|base64|utf|md)"
    r"(?:[-_/]?[a-z0-9]{1,8})*",
    re.IGNORECASE,
)
#: A kubeadm token.
_BOOTSTRAP_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
#: Words with a number at their end, as nobody names a variable: ``blue_whale_2023``.
_WORDS_AND_NUMBER = re.compile(r"[a-z]+(?:_[a-z]+)*_\d{2,6}")
_CODE_WORD = re.compile(r"(?:^|_)(?:sha|utf|md|int|uint|float|base|crc|new|old|arg|param|var|tmp|user|user_pass)_\d")
_CODE_STEM = re.compile(r"pass|pwd|secret|token|auth|confirm|valid|require|user|account|login|field|string|null")
#: ``Bl@ckBird``, and no address.
_SIGN_WITHIN = re.compile(r"[A-Za-z0-9](?:[$#^!]|@(?!\w+\.))[A-Za-z]")
#: ``@keyring:shop``, ``!vault …``: where a value is to be found.
_REFERENCE = re.compile(r"[@!][a-z][a-z_-]{1,30}(?:[:( ]|\Z)|[a-z][a-z0-9+-]{1,20}:/|vault:|arn:|keyring:")
#: ``test-password-123``: what tests have.
_FIXTURE = re.compile(
    r"(?:(?:test|my|the|new|old|wrong|some|any|invalid|valid|bad|good|dummy|correct|another|plain|user|admin"
    r"|default)[-_. ]?)+"
    r"(?:password|passwd|passphrase|pass|pwd|pw|secret)[-_. ]?\d{0,4}",
    re.IGNORECASE,
)
#: An image's digest, with or without its tag: ``1.14.2@sha256:…``.
_DIGEST = re.compile(r"(?:[\w.-]{1,128}@)?sha(?:256|384|512):[0-9a-f]{64,128}")
#: What a template, a call or a class of a regular expression has, and a quoted key full of signs has not.
_CODE_SIGN = re.compile(r"\$[{(]|\{\{|%\(|<%|A-Z|a-z|0-9|\|\||&&|[{}<>]|\\|!@#\$%|://")
_KEY_SIGNS = frozenset("!@#$%^&*()+=")
_PASSWORD_SIGN = re.compile(r"[!@#$%^&*?+=~]")
#: What a template, a variable or a value of a format has first: ``%s``, ``%(name)s``, ``%VAR%``, ``%env(…)``.
_TEMPLATE = re.compile(r"[$<{\[(]|%(?:[({<%]|[-\d.$]{0,6}[sdvqrxi@](?!\w)|\w+%|env\()")
_COMMON_PASSWORD_WORDS = frozenset({
    "admin", "boolean", "false", "function", "guest", "hidden", "integer", "mysql", "none", "number", "object",
    "optional", "pass", "passwd", "password", "postgres", "pwd", "redis", "required", "root", "secret", "string",
    "test", "text", "token", "true", "user", "username",
})  # fmt: skip


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret without being one: an example, a template, a run of the same letter."""
    if value.startswith("A" * 20):  # a bearer token of Twitter begins so
        value = value.lstrip("A")
    if len(set(value)) < 5 or _PLACEHOLDER.search(value):
        return True
    return any(example in value for example in DOCUMENTED_EXAMPLES)


def is_stand_in(value: str, head: int = 0) -> bool:
    """Whether a value with a provider's shape is as a whole a placeholder, from character ``head`` on.

    Unlike ``is_placeholder`` this does not look for words within: a random key may hold ``1234567`` or ``sample``.
    """
    body = value[head:]
    if len(set(body)) < 5 or value.endswith(("EXAMPLE", "EXAMPLEKEY")) or _HOME_WITHIN.search(value):
        return True
    if any(example in value for example in DOCUMENTED_EXAMPLES):
        return True
    if (body.islower() or body.isupper() or body.isdigit()) and any(body.lower() in run for run in _RUNS):
        return True
    parts = [part for part in re.split(r"[-_./%]+", body) if part]
    if all(map(_STAND_IN_PART.fullmatch, parts)) and any(map(_STAND_IN_WORD.fullmatch, parts)):
        return True
    return bool(_MASKED.fullmatch(body))


def is_key(value: str, head: int = 0) -> bool:
    """Whether a value with a provider's prefix (``head`` characters) is a key: random, no placeholder, no words."""
    if is_stand_in(value, head):
        return False
    is_wordy = not any(letter.isdigit() for letter in value) or (_WORDS.fullmatch(value) and not _is_hex(value))
    return not is_wordy or _compute_segment_chars(value) < 3.0 or is_unspoken(value[head:])


def is_random(value: str) -> bool:
    """Whether a value has the look of chance: letters and digits that change places too often for words."""
    segment_chars = _compute_segment_chars(value)
    if _WORDS.fullmatch(value) and not _is_hex(value):
        return len(value) >= 16 and (segment_chars < 2.2 or is_unspoken(value))
    has_digit = any(letter.isdigit() for letter in value)
    has_letter = any(letter.isalpha() for letter in value)
    if not has_digit:
        return len(value) >= 16 and (segment_chars < 2.2 or is_unspoken(value))
    return (
        has_letter and (segment_chars < 4.0 or (len(value) >= 32 and _is_hex(value))) and _compute_entropy(value) >= 2.8
    )


def is_drawn(value: str) -> bool:
    """Whether a value is letters of both cases and digits that change places as in no word and no name of code."""
    if not (value.isascii() and value.isalnum()) or value.isalpha() or value.islower() or value.isupper():
        return False
    cases = (str.isupper, str.islower, str.isdigit)
    most = 2.2 if len(value) < 20 else 2.6
    is_mixed = min(sum(map(case, value)) for case in cases) >= 2 and _compute_segment_chars(value) < most
    return is_mixed and not is_placeholder(value)


def is_assigned_key(value: str, quoted: bool) -> bool:
    """Whether the value of ``API_KEY=…``, ``token: …``, ``secret=…`` is a secret: at least 16 random characters, or 12
    of the sort that nothing but chance makes.
    """
    if len(value) < 16 and not (len(value) >= 12 and is_drawn(value)):
        return False
    if is_placeholder(value) or _PUBLISHABLE.match(value) or _DIGEST.fullmatch(value):
        return False
    if quoted and _is_full_of_signs(value):
        return True
    if value[0] in _NON_VALUE_START:
        return False
    if _BOOTSTRAP_TOKEN.fullmatch(value) and any(letter.isdigit() for letter in value):
        return True
    if len(value) <= 32 and _ALGORITHM.fullmatch(value):
        return False
    if value[0] == "/" and len(value) != 40:  # a path; of 40 characters also a secret key of AWS
        return False
    if "://" in value or any(letter in "[]{}()<>" for letter in value) or (not quoted and _ATTRIBUTE.fullmatch(value)):
        return False
    return bool(_UUID.fullmatch(value)) or is_random(value)


def is_assigned_password(value: str, quoted: bool) -> bool:
    """Whether the value of ``password=…`` is a secret: at least 6 characters, letters with digits or signs.

    A value with spaces, which only quotes allow, has to hold such a word; a sentence is none.
    """
    if " " in value or "\t" in value:
        is_cut_code = value[0].isspace() or value[0] in "+,;)]}:.%&|=?"
        return not (is_cut_code or is_placeholder(value)) and any(map(_is_password_word, value.split()))
    if len(value) < 6 or _is_template(value) or is_placeholder(value) or value.lower() in _COMMON_PASSWORD_WORDS:
        return False
    if value.startswith(("/", "./", "~/", "http://", "https://", "--")) or _is_attribute(value, quoted):
        return False
    if _REFERENCE.match(value) or _FIXTURE.fullmatch(value):
        return False
    if not quoted and _CODE.fullmatch(value):
        return False
    if _ALGORITHM.fullmatch(value):
        return False
    if not any(letter.isalpha() for letter in value):
        return quoted and value.isdigit()
    shown = value if quoted else value.replace("&", "")  # "read&write" is code
    if _PASSWORD_SIGN.search(shown.rstrip("=?!")) or value[-1] == "!":
        return quoted or not any(sign in value for sign in "()[]{}")
    if not any(letter.isdigit() for letter in value):
        if len(value) >= 16 and value.isascii() and value.isalpha() and value.islower():  # no word is that long
            return not _CODE_STEM.search(value)
        is_mixed = len(value) >= 12 and _compute_segment_chars(value) < (2.6 if quoted else 2.2)
        return is_mixed or (is_unspoken(value) and not _CODE_STEM.search(value.lower()))
    if quoted or "_" not in value:
        return True
    return bool(_WORDS_AND_NUMBER.fullmatch(value)) and not _CODE_WORD.search(value)


def is_spoken_password(value: str) -> bool:
    """Whether a value that follows ``password`` without a sign between is one: nothing that a sentence or list holds.

    Letters of both cases and digits or signs among them: ``M3rry-go!``, but not ``OAuth2``, ``v2.0`` or ``required``.
    """
    if len(value) < 8 or " " in value or _WORDS.fullmatch(value.rstrip("!?.")) or not is_assigned_password(value, True):
        return False
    cases = (str.isupper, str.islower, str.isdigit)
    return sum(any(map(case, value)) for case in cases) == 3 or bool(_PASSWORD_SIGN.search(value.rstrip("!?")[1:]))


def _is_password_word(word: str) -> bool:
    inner = word.strip("\"'`.,;:!?()[]{}<>")
    has_letter = any(letter.isalpha() for letter in inner)
    has_digit = any(letter.isdigit() for letter in inner)
    if has_letter and _SIGN_WITHIN.search(inner):
        return len(inner) >= 6
    return len(inner) >= 4 and has_letter and has_digit and not _WORDS.fullmatch(inner)


def is_uuid(value: str) -> bool:
    """Whether a value is a UUID: an id mostly, a secret where only that can stand."""
    return bool(_UUID.fullmatch(value))


def is_url_password(user: str, password: str) -> bool:
    """Whether ``password`` of ``scheme://user:password@host`` is a secret; ``postgres:postgres`` is a default."""
    if password in (user, "") or password[0] == "*" or _is_template(password):
        return False
    if password.lower() in _COMMON_PASSWORD_WORDS:
        return False
    return len(password) >= 3 and not _PLACEHOLDER.search(password) and len(set(password)) > 1


def _is_template(value: str) -> bool:
    return value[0] in "$<{[(%" and _TEMPLATE.match(value) is not None


def _is_attribute(value: str, quoted: bool) -> bool:
    """Whether a value is a path of names as code and keys of texts have them; ``"Bl4ues.Haus"`` in quotes is none."""
    if not _ATTRIBUTE.fullmatch(value):
        return False
    is_text = quoted and any(map(str.isdigit, value)) and any(map(str.isupper, value)) and "." in value
    return not is_text or bool(_CODE_STEM.search(value.lower()))


def _is_full_of_signs(value: str) -> bool:
    """Whether a quoted value has the look of a key that is drawn from letters, digits and signs, as Django's is."""
    least = 2 if len(value) >= 40 else 4
    if len(value) < 24 or any(map(str.isspace, value)) or len(_KEY_SIGNS & set(value)) < least:
        return False
    if _CODE_SIGN.search(value):
        return False
    return len(set(value)) >= 16 and is_random(value)


def _is_hex(value: str) -> bool:
    return len(value) >= 20 and all(letter in "0123456789abcdefABCDEF-" for letter in value)


def _compute_segment_chars(value: str) -> float:
    """The mean length of runs of one case or of digits: 1.7 in base64, 2.1 in hex, 4 and more in identifiers."""
    segments = _SEGMENT.findall(value)
    return sum(map(len, segments)) / len(segments) if segments else 0.0


def _compute_entropy(value: str) -> float:
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())
