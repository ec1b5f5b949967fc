"""Secrets in settings of devices and clouds, in forms that agents fill in, in calls that sign, in codes people tell.

Source: the documents of Terraform, Redis, Cisco IOS, BIP 32 and Bitcoin's wallet import format; the calls are those of
the standard libraries and of the most used libraries for cryptography.
"""

from __future__ import annotations

import re

from tracemill.redact.phrase import QUOTED, VALUE, Phrase, accept_option, accept_random, accept_strict, accept_word
from tracemill.redact.shapes import is_assigned_key, is_drawn, is_key, is_uuid

_QUOTE = r"\\{0,8}[\"']"
_SPACE = r"(?:\s|\\[nrt]){0,20}"
_BREAK = r"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)"
_NAMED = r"(?:pass(?:word|wd|phrase|code)?|pwd?|secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key)"
#: Calls whose argument is a key: the first, the second behind an algorithm's name, the last.
_SIGNS = (
    r"(?:hmac\.new\(|(?:fernet|aesgcm|chacha20poly1305|secretbox|secretkeyspec|aes\.new"
    r"|(?:url_?safe\w{0,12}|timestamp)?signer|timed_?serializer|urlsafetimedserializer)\()"
)
_SIGNS_SECOND = r"(?:create(?:hmac|cipheriv|decipheriv)|hmac\.(?:hex)?digest|hmac\.new|openssl_(?:en|de)crypt)\("
_WRAPPED = (
    r"b?(?:\[\]byte\(|(?:bytes\.fromhex|(?:base64\.)?(?:urlsafe_)?b64decode|unhexlify|a2b_hex|buffer\.from)\()?b?"
)
_CLIENTS = r"(?:client|realtime|rest|bot|sdk|set_?api_?key|from_?api_?key|api_?key|with_?token|set_?token)\("
_CODE = r"(?:[a-z0-9]{4,8}(?:[- ][a-z0-9]{4,8}){1,3}|[a-z0-9]{8,16})"
_PIN = (
    r"(?:pin(?:[ -]?(?:code|number))?|(?:alarm|door|gate|access|entry|security|safe|lock|unlock|building|garage)"
    r"[ _-](?:code|pin)|passcode)"
)
_FIELDS = r"(?:element|name|label|field|selector|target|locator)"
_WORD = re.compile(r"[A-Za-z]+|\d+")
_SENT_TEXT = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|https?:")


def _accept_drawn(value: str) -> bool:
    """What signs or is a default: all that looks drawn, and what looks like a password."""
    return accept_strict(value) or is_assigned_key(value, True)


def _accept_client(value: str) -> bool:
    """The one text of a call to a client's constructor: drawn, and no id, no name of a model, no address."""
    return "/" not in value and not is_uuid(value) and is_drawn(re.sub(r"[_.:=+-]", "", value))


def _accept_typed(value: str) -> bool:
    """What is typed into a field for a password; a label or an address is none."""
    return not _SENT_TEXT.match(value) and (accept_word(value) or is_assigned_key(value, True))


def _accept_digits(value: str) -> bool:
    return len(set(value)) > 1 and value not in "01234567890" and value not in "9876543210"


def _accept_codes(value: str) -> bool:
    """Two codes or more, with digits; a list of words or of dates is none."""
    codes = re.split(r"[\s,]+|\\[nr]|[-*]\s", value)
    return sum(any(map(str.isdigit, code)) for code in codes) >= 2 and not re.search(r"(?:19|20)\d\d-", value)


def _accept_groups(value: str) -> bool:
    joined = re.sub("[ -]", "", value)
    return any(map(str.isdigit, joined)) and any(map(str.isalpha, joined)) and accept_random(joined)


def _accept_argument(value: str) -> bool:
    """What a program is logged in with: a drawn key, no path and no name."""
    shown = re.sub("[_-]", "", value)
    return is_drawn(shown) or (len(value) >= 32 and value.isalnum() and is_key(value) and not _WORD.fullmatch(value))


SETTINGS: tuple[Phrase, ...] = (
    Phrase(
        "call that signs",
        "secret",
        rf"{_SIGNS}[^\n]{{0,60}}[\"'][^\"'\n]{{8}}",
        rf"{_SIGNS}{_SPACE}(?:key[ ]?=[ ]?)?{_WRAPPED}{QUOTED}",
        _accept_drawn,
    ),
    Phrase(
        "call that signs by a method",
        "secret",
        rf"{_SIGNS_SECOND}[^\n]{{0,}},[^\n]{{0,}}[\"'][^\"'\n]{{8}}",
        rf"{_SIGNS_SECOND}{_SPACE}(?:{_QUOTE}[\w-]{{1,30}}{_QUOTE}|[\w.:]{{1,40}}(?:\([\"'\w]{{0,20}}\))?),{_SPACE}"
        rf"{_WRAPPED}{QUOTED}",
        _accept_drawn,
    ),
    Phrase(
        "call that signs data",
        "secret",
        r"hash_hmac\([^\n]{1,}[\"'][^\"'\n]{8}",
        rf"hash_hmac\({_SPACE}{_QUOTE}[\w-]{{1,20}}{_QUOTE},[^,\r\n]{{1,100}},{_SPACE}{QUOTED}",
        _accept_drawn,
    ),
    Phrase(
        "secret wrapped",
        "secret",
        r"secret(?:str|string|bytes|value|box)?(?:::new|::from)?\((?:\w{1,}[ ]?=[ ]?)?[bfru]?\\{0,}[\"'][^\"'\n]{8}",
        rf"secret(?:str|string|bytes|value|box)?(?:::new|::from)?\((?:\w{{1,30}}[ ]?=[ ]?)?[bfru]?{QUOTED}",
        _accept_drawn,
    ),
    Phrase(
        "client of one key",
        "api_key",
        rf"{_CLIENTS}(?:\s|\\n){{0,}}\\{{0,}}[\"'][\w./:+=-]{{24}}",
        rf"{_CLIENTS}{_SPACE}{_QUOTE}([\w./:+=-]{{24,400}}){_QUOTE}[ \t]{{0,2}}(?:\)|,{_SPACE}(?:\w{{1,30}}[ ]?=|\{{))",
        _accept_client,
    ),
    Phrase(
        "salt",
        "secret",
        r"[a-z]_?salt\\{0,}[\"']?\]?[ \t]{0,}[:=,]",
        r"(?<![a-z])(?:signing|encryption|encrypt|session|cookie|token|jwt|hashids?|secret|auth)_?salt"
        rf"(?:{_QUOTE}\]?)?[ \t]{{0,4}}(?::[ \t]{{0,2}}&?\w{{1,12}}[ \t]{{0,2}}=|[:=,]>?)[ \t]{{0,4}}{VALUE}",
        accept_strict,
    ),
    Phrase(
        "variable's default",
        "secret",
        rf"variable[ ]{{1,}}\\{{0,}}\"[\w-]{{0,}}{_NAMED}",
        rf"variable[ ]{{1,3}}\\{{0,8}}\"[\w-]{{0,60}}?(?<![a-z]){_NAMED}[\w-]{{0,30}}\\{{0,8}}\""
        rf"[ ]{{0,2}}\{{[^{{}}]{{0,400}}?"
        rf"(?<!\w)default[ \t]{{0,12}}=[ \t]{{0,4}}{QUOTED}",
        _accept_drawn,
    ),
    Phrase(
        "block of lines",
        "secret",
        r"(?:word|phrase|secret|token|[_-]key|pwd):[ ]{1,}(?:!![a-z]{1,}[ ])?[|>][+-]?(?:\r?\n|\\n)",
        r":(?:(?<=word.)|(?<=passphrase.)|(?<=secret.)|(?<=token.)|(?<=[_-]key.)|(?<=pwd.))[ ]{1,4}(?:!![a-z]{1,12}"
        r"[ ])?"
        rf"[|>][+-]?{_BREAK}[ ]{{1,24}}([^\s\\\"':]{{8,400}})(?=[ ]{{0,4}}(?:{_BREAK}|{_QUOTE}|\Z))",
        _accept_drawn,
    ),
    Phrase(
        "network device",
        "password",
        r"snmp-server[ ]community[ ]|snmp(?:walk|get|set|bulkwalk)[ ]-|enable[ ](?:secret|password)[ ]"
        r"|(?:tacacs|radius)-server[ ]|username[ ][\w.-]{1,}[ ](?:privilege[ ]\d{1,}[ ])?(?:secret|password)"
        r"[ ]|key-string[ ]"
        r"|pre-shared-key[ ]",
        r"(?:snmp-server[ ]community|snmp(?:walk|get|set|bulkwalk)[ ][^\n|;]{0,60}?-c|enable[ ](?:secret|password)"
        r"|(?:tacacs|radius)-server[ ][^\r\n]{0,80}?key|username[ ][\w.-]{1,40}[ ](?:privilege[ ]\d{1,2}[ ])?"
        r"(?:secret|password)(?=[ ]\d[ ])|key-string|pre-shared-key(?:[ ]local|[ ]remote)?)[ ](?:[05-9][ ])?"
        rf"(?!public(?:$|\s)|private(?:$|\s)){VALUE}",
        accept_word,
    ),
    Phrase(
        "redis user",
        "password",
        r"[ ]on[ ]>[^\s]{4}",
        r"(?<![\w-])(?:set)?user[ ][\w.-]{1,40}[ ]on[ ]>([^\s\"'`\\<>]{4,200})(?=[ ]{1,2}(?:[~+&-]|res|all))",
        accept_option,
    ),
    Phrase(
        "typed by an agent",
        "password",
        r"(?:[\"']ref|selector|element)\\{0,}[\"'][ ]{0,}:[ ]{0,}\\{0,}[\"']",
        rf"{_FIELDS}{_QUOTE}[ ]{{0,2}}:[ ]{{0,2}}{_QUOTE}[^\"\r\n]{{0,60}}?(?<![a-z]){_NAMED}"
        rf"(?!s?[ ]?(?:reset|forgot|hint|strength))"
        rf"[^\"\r\n]{{0,40}}?\\{{0,8}}[\"'](?:,{_SPACE}{_QUOTE}"
        rf"(?:ref|type|uid|role|selector|target|element|name|submit|slowly)"
        rf"{_QUOTE}[ ]{{0,2}}:[ ]{{0,2}}(?:{_QUOTE}[^\"\r\n]{{0,80}}?\\{{0,8}}[\"']|\w{{1,8}})){{0,4}},{_SPACE}"
        rf"{_QUOTE}(?:text|value)(?:{_QUOTE})[ ]{{0,2}}:[ ]{{0,2}}{QUOTED}",
        _accept_typed,
    ),
    Phrase(
        "account and key",
        "api_key",
        r"username\\{0,}[\"'][ ]{0,}:[ ]{0,}\\{0,}[\"'][^\"'\n]{1,}[\"'],[ ]{0,}\\{0,}[\"']key",
        rf"username{_QUOTE}[ ]{{0,2}}:[ ]{{0,2}}{_QUOTE}[^\"'\r\n]{{1,80}}{_QUOTE},{_SPACE}{_QUOTE}key{_QUOTE}"
        rf"[ ]{{0,2}}:"
        rf"[ ]{{0,2}}{_QUOTE}([\w+/=-]{{20,200}}){_QUOTE}",
        accept_random,
    ),
    Phrase(
        "wallet import format",
        "wallet_key",
        r"(?:wif|priv(?:ate)?[ _-]?key|importprivkey|dumpprivkey)[^\w\n]{1,}(?:[\w:]{1,}[ ])?[5klc9][1-9a-z]{50}",
        r"(?:wif|priv(?:ate)?[ _-]?key|importprivkey|dumpprivkey)[^\w\r\n]{1,12}(?:[\w:]{1,20}[ ])?"
        r"((?-i:[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}))(?!\w)",
        is_key,
    ),
    Phrase(
        "groups of a key",
        "otp_secret",
        r"(?:2fa|mfa|totp|otp|two-factor)[ _-](?:setup|secret|key|seed|backup)|authenticator[^\n]{0,}key|setup[ -]key",
        r"(?:2fa|mfa|totp|otp|two-factor|authenticator|setup[ -]key)[^\r\n]{0,80}?(?<![\w-])([a-z2-7]{4}(?:[ -]"
        r"[a-z2-7]{4}){3,15})"
        r"(?![\w-])",
        _accept_groups,
    ),
    Phrase(
        "codes to recover",
        "recovery_code",
        r"(?:recovery|backup|scratch|emergency)[ _-]codes?[^\n]{0,}(?:\n|\\n|[:=])",
        rf"(?:recovery|backup|scratch|emergency)[ _-]codes?(?:[ \t]"
        rf"[^\r\n:\\]{{0,60}})?{_QUOTE[:-1]}'\]]?[ \t]{{0,2}}[:=]?[ \t\[]{{0,3}}"
        rf"(?:{_SPACE}(?:[-*\u2022][ ]|\d{{1,2}}[.)][ ])?{_QUOTE[:-1]}']?)((?-i:{_CODE})"
        rf"(?:(?:\\{{0,8}}[\"'])?(?:[ ]{{0,2}}(?:,|{_BREAK})|[ ]{{1,4}})[ ]{{0,8}}(?:[-*\u2022][ ]|\d{{1,2}}[.)]"
        rf"[ ])?(?:\\{{0,8}}[\"'])?"
        rf"(?-i:{_CODE})(?![\w])){{1,30}})",
        _accept_codes,
    ),
    Phrase(
        "number that opens",
        "pin",
        r"(?:pin|code)[ ]is[ ][0-9]{4}",
        rf"(?<![\w.-]){_PIN}[ ]is[ ](\d{{4,8}})(?![\w%]|[.,:/-]\d)",
        _accept_digits,
    ),
    Phrase(
        "header of a team",
        "api_key",
        r"x-honeycomb-team",
        rf"x-honeycomb-team(?:{_QUOTE})?[ \t]{{0,2}}[:=,][ \t]{{0,2}}{VALUE}",
        is_key,
    ),
    Phrase(
        "license of maps",
        "api_key",
        r"_[a-z0-9]{29}_mmk",
        r"(?<!\w)[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?!\w)",
        is_key,
    ),
    Phrase(
        "logged in with a key",
        "api_key",
        r"[a-z][ ](?:init|login|auth|authenticate|activate|register)[ ]{1,2}[\w=-]{24}",
        r"(?<![\w./-])[a-z][\w-]{1,24}[ ](?:init|login|auth|authenticate|activate|register)[ ]{1,2}([\w=-]{24,200})"
        r"(?=[ \t]{0,4}(?:[\r\n|&;]|\\|[\"'`]|\Z))",
        _accept_argument,
    ),
)
