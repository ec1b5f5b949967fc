"""Keys that stand beside an id, in a query, or in a call, and that have no prefix of their own.

Source: the providers' documents; the shapes of calls are those of their client libraries.
"""

from __future__ import annotations

import base64
import binascii
import re

from tracemill.redact.literals import is_pass_phrase
from tracemill.redact.phrase import QUOTED, Phrase, accept_random, accept_strict
from tracemill.redact.shapes import is_key, is_stand_in, is_uuid

_AWS_ID = r"(?-i:A[KS]IA[A-Z2-7]{16})(?!\w)"
_AWS_SECRET = r"(?<![\w+/=.-])([\w+/]{40})(?![\w+/=.-])"
_BETWEEN = r"(?:(?!A[KS]IA)[^;{}]){1,200}?"
_QUOTE = r"\\{0,8}[\"']"
_CLIENTS = (
    "client",
    "algoliasearch",
    "auth",
    "authenticate",
    "oauth",
    "oauth1",
    "oauth2",
    "consumer",
    "api",
    "sdk",
    "credential",
    "credentials",
    "apikey",
    "configure",
    "pusher",
    "plivo",
    "vonage",
    "nexmo",
    "razorpay",
    "cloudinary",
    "mailjet",
    "session",
    "setkey",
    "setkeys",
    "set_keys",
    "handler",
    "client.create",
    "client.init",
    "api.init",
)

#: A lookbehind each: Python's ``re`` looks for the bracket, which is quicker than for one of many words.
_CLIENT = rf"\((?:{'|'.join(rf'(?<={re.escape(name)}.)' for name in _CLIENTS)})"
_FIRST = rf"(?:\s|\\n){{0,20}}(?:\w{{1,30}}[ ]?[=:][ ]?)?{_QUOTE}[^\"'\s\\]{{1,100}}{_QUOTE},(?:\s|\\n){{0,20}}{_QUOTE}"
#: What keys begin with that are often shown cut off.
_PREFIX = (
    r"(?:gh[opsu]_|github_pat_|glpat-|sk-ant-api\d\d-|sk-proj-|sk-or-v1-|[sr]k_live_|xox[abp]-|npm_|pypi-|hf_|gsk_"
    r"|nvapi-|dckr_pat_|shpat_|AIza)"
)
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{56,}")
#: What an object of credentials has, and the head and claims of a token have not.
_CREDENTIAL = re.compile(
    rb"\"(?:private_key|auths?|password|passwd|client_secret|secret|secret_key|access_token|refresh_token|api_?key"
    rb"|identitytoken|_auth)\"[ \t]{0,3}:\s{0,8}[\"{]",
    re.IGNORECASE,
)
#: As crypt(3), Apache, LDAP and the frameworks of the web write a password's hash.
_CRYPT = (
    r"\$2[abxy]\$\d\d\$[\w./]{53}|\$apr1\$[\w./]{1,8}\$[\w./]{22}|\$1\$[\w./]{1,8}\$[\w./]{22}"
    r"|\$[56]\$(?:rounds=\d{1,9}\$)?[\w./]{1,16}\$[\w./]{43,86}|\$y\$[\w./]{3,8}\$[\w./]{8,86}\$[\w./]{43}"
    r"|\$argon2(?:id|i|d)\$v=\d{1,3}\$[\w=,]{8,40}\$[\w+/]{11,64}\$[\w+/]{22,120}|\{S?SHA(?:256|512)?\}[\w+/]{27,140}={0,2}"
    r"|pbkdf2_sha(?:1|256)\$\d{1,8}\$[\w+/.-]{4,64}\$[\w+/]{27,88}={0,2}|scrypt:\d{1,8}:\d{1,3}:\d{1,3}\$\w{4,64}\$[0-9a-f]{64,128}"
)
_PLAIN_ID = re.compile(r"[A-Z_]+|\d+|[a-z]+(?:[-_][a-z]+)*")


def _accept_aws_secret(value: str) -> bool:
    cases = (str.isupper, str.islower, str.isdigit)
    return all(any(map(case, value)) for case in cases) and "_" not in value and not is_stand_in(value)


def _accept_parameter(value: str) -> bool:
    """A long value of a query that is neither words nor a digest nor an id."""
    return accept_random(value) and not is_uuid(value) and not _DIGEST.fullmatch(value)


def _accept_signature(value: str) -> bool:
    return accept_random(value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))


def _accept_argument(value: str) -> bool:
    """The second text of a call to a client's constructor."""
    return not _PLAIN_ID.fullmatch(value) and len(value) >= 20 and _accept_parameter(value)


def _accept_login(value: str) -> bool:
    return is_pass_phrase(value) or accept_strict(value)


def _accept_cut(value: str) -> bool:
    """The first characters of a key: as random as the whole."""
    head = re.match(_PREFIX, value)
    return head is not None and is_key(value, head.end())


def _accept_credentials(value: str) -> bool:
    """Base64 of an object that holds credentials; of one that was cut off, the begin."""
    shown = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _CREDENTIAL.search(base64.b64decode(shown[: len(shown) // 4 * 4])) is not None
    except binascii.Error:
        return False


KEYS: tuple[Phrase, ...] = (
    Phrase(
        "encoded credentials",
        "credentials",
        r"(?-i:eyJ|eyAi|ewog|ewoJ)[a-z0-9+/_-]{24}",
        r"(?<![\w+/.-])(?<!base64,)((?-i:eyJ|eyAi|ewog|ewoJ)[\w+/-]{40,40000}+={0,2})(?![\w+/=.-])",
        _accept_credentials,
    ),
    Phrase(
        "crypt",
        "password_hash",
        r"\$(?:2[abxy]\$\d\d\$[\w./]{16}|apr1\$|argon2|[156y]\$[\w./=$]{20})|\{s?sha\d{0,}\}[\w+/]{20}"
        r"|pbkdf2_sha\d{1,}\$|scrypt:\d{1,}:",
        rf"(?<![\w$])(?:{_CRYPT})(?![\w/$])",
        lambda value: not is_stand_in(value, 8) and any(map(str.isdigit, value[8:])),
    ),
    Phrase(
        "aws pair",
        "aws_secret_key",
        r"(?-i:A[KS]IA[A-Z2-7]{16})",
        rf"(?<!\w){_AWS_ID}{_BETWEEN}{_AWS_SECRET}",
        _accept_aws_secret,
    ),
    Phrase(
        "aws pair",
        "aws_secret_key",
        "",
        rf"{_AWS_SECRET}(?=[^\w+/](?:[^;{{}}\w]|\w(?![\w+/]{{39}})){{0,60}}{_AWS_ID})",
        _accept_aws_secret,
    ),
    Phrase(
        "cut key",
        "api_key",
        rf"{_PREFIX}[\w-]{{12,}}(?:\.\.\.|\?|\\u2026)",  # the sign of an ellipsis is ? there
        rf"(?<![A-Za-z0-9])((?-i:{_PREFIX})[\w-]{{12,200}}+)(?=\.\.\.|\u2026|\\u2026)",
        _accept_cut,
    ),
    Phrase(
        "key id",
        "private_key_id",
        r"private_key_id[\\\"' \t]{1,}[:=][\\\"' \t]{1,}[0-9a-f]{40}",
        r"private_key_id\\{0,8}[\"'][ \t]{0,3}[:=][ \t]{0,3}\\{0,8}[\"']([0-9a-f]{40})(?![0-9a-z])",
        is_key,
    ),
    Phrase(
        "twilio pair",
        "twilio_key",
        r"(?-i:AC)[0-9a-f]{32}[^\n]{1,}[0-9a-f]{32}",
        rf"(?<!\w)(?-i:AC)[0-9a-f]{{32}}(?:{_QUOTE})?[ \t]{{0,2}}[,:;/|]?[ \t]{{0,2}}(?:\r?\n[ \t]{{0,12}})?"
        rf"(?:[\w ]{{0,20}}[=:][ \t]{{0,2}})?"
        rf"(?:{_QUOTE})?([0-9a-f]{{32}})(?!\w)",
        is_key,
    ),
    Phrase(
        "client",
        "api_key",
        rf"(?:{'|'.join(name for name in _CLIENTS if '.' not in name)})(?:\.(?:create|init))?\((?:\s|\\n){{0,}}"
        rf"(?:\w{{1,}}[ ]?[=:][ ]?)?\\{{0,}}[\"'][^\"'\s\\]{{1,}}\\{{0,}}[\"'],"
        rf"(?:\s|\\n){{0,}}\\{{0,}}[\"'][\w./+=-]{{20}}",
        rf"{_CLIENT}{_FIRST}([\w./+=-]{{20,400}}){_QUOTE}",
        _accept_argument,
    ),
    Phrase(
        "mail login",
        "password",
        r"\.log_?in\([^()\n]{1,},",
        rf"\.log_?in\([ \t]{{0,2}}"
        rf"(?:\w{{1,30}}=)?{_QUOTE}[^\"'\r\n\\]{{1,100}}{_QUOTE},[ \t]{{0,2}}(?:\w{{1,30}}=)?{QUOTED}",
        _accept_login,
    ),
    Phrase(
        "query key",
        "api_key",
        r"[?&;][\w-]{0,}(?:id|key|auth|token|secret|code|signature|sig|sign|hmac)=[\w./%~+-]{16}",
        r"[?&;](?:amp;)?(?:app_?id|(?:api|access|subscription|service|pass|developer|dev|user)[_-]?key|hapikey"
        r"|wskey|auth|key"
        r"|api_?token|client_?secret)=([\w./%~+-]{20,2000}=?)(?![\w])",
        _accept_parameter,
    ),
    Phrase(
        "query key",
        "oauth_code",
        "",
        r"(?:(?:callback|redirect|oauth|auth|login|sso|localhost)[^\s\"'?]{0,100}\?|&)"
        r"(?:[\w-]{1,30}=[^\s&\"']{0,300}&){0,8}?code="
        r"([\w./%~+-]{20,2000}=?)(?![\w])",
        _accept_parameter,
    ),
    Phrase(
        "query key",
        "url_signature",
        "",
        r"[?&;](?:amp;)?(?:[\w-]{0,20}signature|sig|sign|hmac)=([\w%+/~.-]{24,2000}={0,2})(?![\w%])",
        _accept_signature,
    ),
    Phrase(
        "unseal key",
        "unseal_key",
        r"(?:unseal|recovery|root|master)[ _-]?keys?[^\n]{0,}[\w+/]{32}",
        r"(?:unseal|recovery)[ _-]?(?:key|share)[ _-]?"
        r"(?:share)?[ _]?\d{0,2}(?:[ ]\([^()\n]{1,30}\))?\\{0,8}[\"']?[ \t]{0,4}[:=(][ \t]{0,4}(?:is[ ])?\\{0,8}[\"']?"
        r"([\w+/]{43,44}={0,2}|[0-9a-f]{64,66})(?![\w+/=])",
        accept_random,
    ),
    Phrase(
        "unseal keys",
        "unseal_key",
        r"(?:unseal|recovery)?_?keys(?:_b64|_base64|_hex|_shares)?\\{0,8}[\"'][ ]{0,}:(?:\s|\\n){0,}\[",
        r"(?:(?:unseal|recovery)_keys(?:_b64|_base64|_hex|_shares)?|keys_(?:b64|base64|hex))"
        r"\\{0,8}[\"'][ ]?:(?:\s|\\n){0,12}\[(?:\s|\\n){0,12}\\{0,8}[\"']"
        r"((?:[\w+/]{32,90}={0,2}(?:\\{0,8}[\"'],(?:\s|\\n){0,12}\\{0,8}[\"'])?){1,12})(?![\w+/=])",
        accept_random,
    ),
    Phrase(
        "old vault token",
        "vault_token",
        r"(?:token|login)[^\w\n]{1,}s\.[a-z0-9]{24}",
        r"(?:token|login)[^\w\r\n]{1,30}((?-i:s)\.[A-Za-z0-9]{24})(?![\w.(])",
        is_key,
    ),
    Phrase(
        "cms key",
        "secret",
        r"(?:auth|secure_auth|logged_in|nonce)_(?:key|salt)[\"']?[^\n]{0,3}[=,:][ \t]{0,}[\"']",
        rf"(?:auth|secure_auth|logged_in|nonce)_(?:key|salt)(?:{_QUOTE}\]?)?[ \t]{{0,12}}(?:=>?|,|:)[ \t]{{0,24}}"
        r"(?:\\{0,8}'([^'\r\n]{32,200}+)(?<!\\)\\{0,8}'|\\{0,8}\"([^\"\r\n]{32,200}+)(?<!\\)\\{0,8}\")",
        lambda value: len(set(value)) > 16 and "unique phrase" not in value,
    ),
)
