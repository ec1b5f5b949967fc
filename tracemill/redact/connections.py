"""Secrets by which a client reaches a server: strings of connections, addresses that let in, cookies, settings.

Within such a string a value is a literal, whatever it looks like: ``host=db user=app password=orchid_pepper``.

Source: the documents of libpq, ADO.NET, go-sql-driver, Gradle, Composer and Poetry; the format of Netscape's cookie
files is curl's.
"""

from __future__ import annotations

import re

from tracemill.redact.literals import has_stem, list_prose
from tracemill.redact.phrase import QUOTED, Phrase, accept_option, accept_random
from tracemill.redact.shapes import is_key, is_uuid

_QUOTE = r"\\{0,8}[\"']"
_SPACE = r"(?:\s|\\[nrt]){0,20}"
_TAB = r"(?:\t|\\t)"
_PQ_NAME = r"(?:host(?:addr)?|port|dbname|user|sslmode|connect_timeout|application_name|client_encoding)"
_PQ_PART = r"=(?:'[^'\r\n]{0,100}'|[^\s'\"=]{1,100})"
_PQ_VALUE = r"(?:'([^'\r\n\\]{4,100})'|([^\s\"'`\\,;&|<>()]{4,100}))"
_PQ_START = r"(?:'[^'\r\n\\]{4}|[^\s\"'`\\,;&|<>(){$%*\[][^\s\"'`\\,;&|<>()]{3})"
_ADO_NAME = (
    r"(?:server|data[ ]source|host(?:name)?|addr(?:ess)?|initial[ ]catalog|database|user[ ]?id|uid|user(?:name)?|port"
    r"|driver|provider|integrated[ ]security|persist[ ]security[ ]info|trusted_connection|trustservercertificate"
    r"|encrypt|sslmode|pooling|multipleactiveresultsets|connect(?:ion)?[ ]timeout)"
)
_ADO_PART = r"[ ]?[\w ]{1,40}=[^;\"'\r\n]{0,200};"
_ADO_VALUE = r"([^\s;\"'`\\<>][^;\"'`\r\n\\<>]{3,99})"
#: What programs write where a value comes later, and code that gives one.
_CODE = re.compile(
    r"[A-Za-z_][\w.]*[(\[].*|[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)+|[A-Z_]+|.*(?:"
    r"[$#]\{|\{\{|\$\().*|:\w+|@\w+"
)
_COUNTERS = r"(?!_{1,2}(?:ga|gid|gat|utm|fbp|gcl|hs|pk|cf|dc)|[\w.-]{0,20}(?:csrf|xsrf|consent|visitor|locale|theme))"
#: ``cookies = {"session": "…"}``
_COOKIE_NAME = r"[\w.-]{0,30}(?:sess|sid|auth|token|login|jwt)[\w.-]{0,30}"


def _accept_literal(value: str) -> bool:
    """All but references, defaults, words about passwords, and names and calls of code."""
    if not accept_option(value) or _CODE.fullmatch(value) or list_prose(value):
        return False
    return any(map(str.isdigit, value)) or not has_stem(value)


def _accept_cookie(value: str) -> bool:
    return is_uuid(value) or accept_random(value)


def _accept_store(value: str) -> bool:
    return value != "android" and accept_option(value) and not has_stem(value)  # that of Android's debug keys


CONNECTIONS: tuple[Phrase, ...] = (
    Phrase(
        "libpq",
        "password",
        rf"[^\s][ ]{{1,}}password={_PQ_START}"
        rf"|password=(?:'[^'\r\n\\]{{4,}}'|[^\s\"'`\\,;&|<>()]{{4,}})[ ]{{1,}}{_PQ_NAME}=",
        rf"(?<![\w.-]){_PQ_NAME}{_PQ_PART}(?:[ ]{{1,3}}\w{{1,30}}{_PQ_PART}){{0,8}}?[ ]{{1,3}}password={_PQ_VALUE}",
        _accept_literal,
    ),
    Phrase(
        "libpq",
        "password",
        "",
        rf"(?<![\w.?&-])password={_PQ_VALUE}(?=[ ]{{1,3}}{_PQ_NAME}=)",
        _accept_literal,
    ),
    Phrase(
        "ado.net",
        "password",
        r";[ ]?(?:password|pwd)=[^\s;\"'`\\<>{$%(*\[][^;\"'`\r\n\\<>]{3}"
        r"|(?:password|pwd)=[^;\"'`\r\n\\<>]{4,};[ ]{0,}\w",
        rf"(?<![\w.]){_ADO_NAME}[ ]?=[^;\"'\r\n]{{0,200}};(?:{_ADO_PART}){{0,12}}?[ ]?(?:password|pwd)={_ADO_VALUE}",
        _accept_literal,
    ),
    Phrase(
        "ado.net",
        "password",
        "",
        rf"(?<![\w.?&-])(?:password|pwd)={_ADO_VALUE}(?=;(?:{_ADO_PART}){{0,6}}?[ ]?{_ADO_NAME}[ ]?=)",
        _accept_literal,
    ),
    Phrase(
        "go mysql",
        "password",
        r":[^\s@/\"'`<>\\(){}]{3,}@(?:tcp6?|udp|unix|cloudsql[\w-]{0,})\(",
        r"(?<![\w./@-])([\w.+-]{1,64}):(?!\1@)([^\s@/\"'`<>\\(){}]{3,100})@(?:tcp6?|udp|unix|cloudsql[\w-]{0,10})\(",
        _accept_literal,
    ),
    Phrase(
        "key store",
        "password",
        r"(?:store|key)_?password[ \t]{1,}\\{0,}[\"']",
        rf"(?<![\w.])(?:store|key|key_?store|trust_?store)_?password[ \t]{{1,3}}{QUOTED}",
        _accept_store,
    ),
    Phrase(
        "basic of packages",
        "password",
        r"http-basic\.[^\s]{1,}[ \t]{1,}[^\s]{1,}[ \t]{1,}[^\s]",
        r"(?:poetry|composer)[ \t][^\r\n|;]{0,80}?http-basic\.[^\s\"']{1,100}[ \t]{1,2}[^\s\"']{1,100}[ \t]{1,2}"
        r"\\{0,8}[\"']?([^\s\"'`\\;|&<>(){}]{4,200})",
        accept_option,
    ),
    Phrase(
        "key in a path",
        "api_key",
        r"(?:g\.alchemy\.com/v2/|infura\.io/(?:ws/)?v3/|\.quiknode\.pro/)[\w-]{20}",
        r"(?:g\.alchemy\.com/v2/|infura\.io/(?:ws/)?v3/|\.quiknode\.pro/)([\w-]{20,64})(?![\w.-])",
        is_key,
    ),
    Phrase(
        "hook in a path",
        "webhook",
        r"hook\.[a-z0-9.]{0,}make\.com/[a-z0-9]{20}|maker\.ifttt\.com/|open-apis/bot/v2/hook/"
        r"|webhook/send\?key=[0-9a-f]{8}-",
        r"(?:hook\.(?:[a-z0-9]{1,8}\.)?make\.com/([a-z0-9]{20,64})"
        r"|maker\.ifttt\.com/trigger/[\w{}-]{1,80}/(?:json/)?with/key/([\w-]{16,64})"
        r"|open-apis/bot/v2/hook/([0-9a-f-]{36})|webhook/send\?key=([0-9a-f]{8}-[0-9a-f-]{27}))",
        lambda value: is_uuid(value) or accept_random(value),
    ),
    Phrase(
        "cookie file",
        "session_cookie",
        rf"(?:true|false){_TAB}\d{{1,}}{_TAB}[\w.-]{{1,}}{_TAB}[^\s]{{12}}",
        rf"{_TAB}(?:true|false){_TAB}/[^\s\\]{{0,100}}{_TAB}(?:true|false){_TAB}\d{{1,12}}{_TAB}{_COUNTERS}"
        rf"[\w.-]{{1,80}}"
        rf"{_TAB}([^\s\"'\\]{{12,4000}})",
        _accept_cookie,
    ),
    Phrase(
        "cookies of a call",
        "session_cookie",
        r"cookies?\\{0,}[\"']?\]?[ \t]{0,}[=:][ \t]{0,}\{",
        rf"(?<![a-z])cookies?(?:{_QUOTE})?[ \t]{{0,2}}[=:][ \t]{{0,2}}\{{[^{{}}]{{0,400}}?"
        rf"{_QUOTE}{_COOKIE_NAME}{_QUOTE}{_SPACE}:{_SPACE}{_QUOTE}([\w.%~+/:=-]{{12,4000}}){_QUOTE}",
        _accept_cookie,
    ),
    Phrase(
        "cookie of a browser",
        "session_cookie",
        r"value\\{0,}[\"'][\s\\nrt]{0,}:[\s\\nrt]{0,}[\"'][\w.%~+/:=-]{20,}\\{0,}[\"'],[\s\\nrt]{0,}[\"']"
        r"(?:domain|path|url)\\{0,}[\"']",
        rf"{_QUOTE}name{_QUOTE}{_SPACE}:{_SPACE}{_QUOTE}{_COUNTERS}[\w.-]{{1,80}}{_QUOTE},{_SPACE}{_QUOTE}value{_QUOTE}"
        rf"{_SPACE}:{_SPACE}{_QUOTE}((?!s%3A)[\w.%~+/:=-]{{20,4000}}){_QUOTE},{_SPACE}{_QUOTE}"
        rf"(?:domain|path|url){_QUOTE}",
        _accept_cookie,
    ),
    Phrase(
        "azure key list",
        "azure_key",
        r"keyname\\{0,}[\"']|(?:primary|secondary)\w{0,}key\\{0,}[\"']|key[12][ \t]{1,}(?:full|read)",
        rf"(?:keyName{_QUOTE}[^{{}}]{{0,300}}?{_QUOTE}value{_QUOTE}|(?:primary|secondary)\w{{0,20}}Key{_QUOTE})"
        rf"{_SPACE}:{_SPACE}{_QUOTE}([\w+/]{{40,100}}={{0,2}}){_QUOTE}",
        accept_random,
    ),
    Phrase(
        "azure key list",
        "azure_key",
        "",
        r"(?<!\w)key[12][ \t]{1,8}(?:full|read)[ \t]{1,8}([\w+/]{40,100}={0,2})(?![\w+/=])",
        accept_random,
    ),
    Phrase(
        "oauth signature",
        "url_signature",
        r"oauth_signature\\{0,}[\"']?[=:][ ]?\\{0,}[\"']?[\w%+/=.~-]{8,}%26",
        rf"oauth_signature(?:{_QUOTE})?[=:][ ]?(?:{_QUOTE})?([\w%+/=.~-]{{8,400}}%26[\w%+/=.~-]{{0,400}})",
        lambda value: accept_random(value.replace("%", "")),  # PLAINTEXT: both secrets as they are
    ),
)
