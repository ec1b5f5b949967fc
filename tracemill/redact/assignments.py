"""Secrets that only their name gives away: ``API_KEY=…``, ``"password": "…"``, ``Authorization: Bearer …``.

Names are looked for in lower case, and only those that ``tracemill.redact.gate`` saw with a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import cache

from tracemill.redact.assigned_needs import KEY_HEADS, PASSWORD_NAME, SECRET_NAME
from tracemill.redact.literals import is_network_key, is_pass_phrase, is_sure_password
from tracemill.redact.phrase import accept_strict
from tracemill.redact.shapes import (
    is_assigned_key,
    is_assigned_password,
    is_drawn,
    is_spoken_password,
    is_uuid,
)
from tracemill.redact.words import is_worded_password, is_worded_secret

Hit = tuple[int, int, str]

#: Words before ``token``, ``key`` … that make a name harmless: ``next_token``, ``pad_token``, ``public_key``.
_HARMLESS_BEFORE = re.compile(
    r"(?:next|prev|previous|page|nextpage|pad|eos|bos|unk|sep|cls|mask|stop|continuation|start|end|cache|primary"
    r"|foreign"
    r"|public|pub|publickey|sort|partition|idempotency|object|sync|resume|cursor|publishable|max|num|input"
    r"|output|by|com|tres|sur|site|gpg|pgp|vapid|allow)"
    r"[_.-]?$|public[_.-]"
)
#: What makes a name harmless when it follows: ``token_type``, ``password_hash``, ``secret_name``.
_HARMLESS_AFTER = re.compile(
    r"(?:^|[_.-])(?:id|name|type|count|ur[il]|file|path|hash|sha\d*|digest|fingerprint|length|len|size|limit"
    r"|field|label"
    r"|hint|env|var|regex|pattern|expiry|expires|usage|ref|arn|version|algorithm|alg|format|prefix|suffix|index|s?manager"
    r"|provider|policy|source|endpoint|status|budget|ize|izer|encryption|encoder|mode|method|scheme|validator"
    r"|validation"
    r"|class|dir|command|prompt|title|placeholder|message|error|icon|enabled|required|strength|page|form|input)s?$"
    r"|^(?:thr|port|ed|ing|ive|age|enger|ion)"
)
_KEY_BEFORE = re.compile(KEY_HEADS + "$")
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
_QUOTE = r"\\{0,8}[\"'`]"
#: What wraps a literal, or gives one where an environment has none: ``SecretStr("…")``, ``getenv("X", "…")``.
_NAMED = r"\(\\{0,8}[\"'][\w.-]{1,60}\\{0,8}[\"']"
_WRAP = (
    r"(?:(?:pydantic\.)?(?:secret(?:str|string|bytes|value)?(?:::(?:new|from))?|sensitive|string::from|some|redacted)\("
    rf"|[\w$.:]{{0,24}}(?:getenv|environ\.get|env|env::var|getorelse|fetch|getproperty|env_var){_NAMED}"
    r"(?:,|\)[ ]{0,2}(?:\.unwrap_or\(|\?\?|\|\||or[ ]))"
    r"|(?:process\.env|import\.meta\.env)[\w.\[\]\"']{1,60}[ ]{0,2}(?:\?\?|\|\|))[ \t]{0,2}"
)
_BLANK = r"(?:[ \t]|\\t)"
#: ``:``, ``=``, ``=>``, ``: &str =``, ``string =``, ``[] =``; ``>`` of a tag; ``, "value":`` and its like behind a name
#: that is a value itself;
#: ``||`` and ``??`` before a last resort, and a comma, as in ``setenv("NAME", "value")``: between quotes only.
_SEPARATOR = (
    rf"(?:{_QUOTE}\]?)?(?:{_BLANK}{{0,24}}"
    r"(?::[ \t]{0,2}(?:&(?:'static[ ])?)?[\w|.<>\[\]?]{1,30}[ \t]{0,2}="
    r"|[ \t]string[ \t]{0,2}=|\[\d{0,5}\][ \t]{0,2}=|:=|(?:\|\||\?\??|\+)?={1,3}>?|:"
    r"|(?:[ \t][^<>\r\n]{0,100})?>(?:(?:\s|\\n){0,12}<value>)?(?=[^<>\s]{6,200}</)"
    rf"|(?:\|\||\?\?)(?=[ \t]{{0,2}}{_QUOTE})"
    rf"|(?P<comma>,(?<=[\"'`],)(?=[ \t]{{0,4}}{_QUOTE}))"
    rf"|[,:]?(?:[\s{{]|\\n){{0,30}}(?:{_QUOTE})?(?:value|default)(?:{_QUOTE})?[ \t]{{0,3}}[:=])"
    r"|</(?:key|name)>(?:\s|\\n){0,30}<(?:string|value)>)"
    rf"{_BLANK}{{0,24}}"
)
#: In quotes a value reaches to the closing one of the same sort; bare to white space, quote, comma, bracket. ``&`` is
#: part of a bare one at first: ``_cut_query`` tells where it ends it.
_BARE = r"[^\s\"'`\\,;&|<>(){}\[\]]"
_TAIL = rf"(?:&(?!&){_BARE}{{0,200}}+){{1,20}}+"
_PLAIN_QUOTED = "|".join(rf"{q}(?P<q{n}>(?:[^\\\r\n{q}]|\\[^\r\n]){{6,4000}}+)(?={q}|\Z)" for n, q in enumerate("\"'`"))
_ESCAPED_QUOTED = rf"\\{{1,8}}[\"'`](?P<q3>[^\"'`\\\r\n]{{6,1000}}+)(?={_QUOTE}|\Z)"
_VALUE = (
    rf"(?:(?:{_WRAP})?+[brfun@$]{{0,2}}(?:{_PLAIN_QUOTED}|{_ESCAPED_QUOTED})"
    rf"|(?P<bare>{_BARE}{{6,1000}}+(?![(\[{{])(?:{_TAIL})?+|{_BARE}{{1,5}}+{_TAIL}))"
)
_QUERY_HEAD = re.compile(r"[?&][\w.%-]{0,80}$")
_JDBC_HEAD = re.compile(r"jdbc:[^\s\"'`<>]{1,400};$")
_QUERY_NEXT = re.compile(r"&(?:amp;)?[\w.%\[\]-]{1,60}=")
#: The words, what stands of them before the pattern's first character, the word from that on (the rarest), the kind.
_NAMES: tuple[tuple[tuple[bytes, ...], str, str, str], ...] = (
    ((b"pass",), "", r"pass(?:word|wd|phrase|code)?", "password"),
    ((b"pw", b"psk"), "p", r"(?:w(?<=pw)(?:d|(?=[\"'\\ =:\]]))|s(?<=ps)k(?=[\"'\\ =:\]]))", "password"),
    ((b"secret",), "", r"secret", "secret"),
    ((b"token",), "to", r"k(?<=tok)en", "token"),
    ((b"key",), "", r"k(?:(?<=[a-z0-9_.:-]k)|(?<=[itse] k))ey", "api_key"),
    ((b"auth",), "", r"auth(?:orization)?(?=[\"'\\ =:,])", "secret"),
)
_WORDS = ("pass", "pwd", "secret", "token", "key", "auth")
ASSIGNED_LABELS = frozenset({PASSWORD_NAME, SECRET_NAME})
#: A command that sets a name to the value behind it.
_SETTING = re.compile(
    r"(?:(?:config|configure|secret|env|credential|arg|setx|#[ \t]*define)s?(?:[ \t]+(?:set|add))?|set[ \t]+-\w+)"
    r"[ \t]+[\w.:/@-]{0,60}$",
    re.IGNORECASE,
)
#: A call that sets what its first argument names: ``define('DB_PASSWORD', '…')``, ``fill("#password", "…")``.
_SETTER = re.compile(
    r"(?:define|set\w{0,20}|put\w{0,10}|fill|type|val|env|append|with\w{0,20}|config|param\w{0,6}|property"
    r"|getenv|environ\.get|getorelse|fetch|getproperty)"
    r"\([ \t]{0,2}\\{0,8}[\"'][#.]?$",
    re.IGNORECASE,
)
#: Names of secrets: those with one of ``_WORDS``, and few others.
_SECRET_NAME = re.compile(rf"{'|'.join(_WORDS)}|(?:^|[_.-])(?:pw|psk)$|mnemonic|(?:seed|recovery)[ _-]?phrase")
#: A variable of an environment.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
#: Before the word in ``use token …``, ``VULTR_API_KEY …``.
_SAID = re.compile(r"(?:[\w.:/@-]|[degilstvx][ \t])$")
_VENDOR_KEY = re.compile(r"(?:[A-Z][A-Z0-9]*_)+KEY")
#: Keys in a store, in a table, in a map.
_OTHER_KEY = re.compile(
    r"(?:CACHE|PRIMARY|FOREIGN|PUBLIC|PUBLISHABLE|SORT|PARTITION|HASH|ROW|GROUP|OBJECT|S3|BUCKET|BUILD|COMMIT|DEDUP|LOOKUP"
    r"|IMAGE|REGISTRY|EVENT|MESSAGE|QUERY|ROUT(?:E|ING)|TRACE|SPAN|HOST|REDIS|LOCK|IDEMPOTENCY|VAPID|GPG|SSH|ST\w{3,5}|ID)_KEY$"
)
#: Where a bare value is the whole of what its line gives to a name.
_LINE_END = re.compile(r"[ \t]{0,8}(?:#[^\r\n]{0,200})?(?:\r?\n|\\{1,8}[nr]|\\{0,8}[\"']|\Z)")
_CHECKSUM = re.compile(r"(?:checksum|sha\d*|digest)/[\w.-]*$")
#: What a shell puts in the place of the value: no literal.
_SUBSTITUTION = re.compile(r"(?:\$\{\w{1,80}:?[-=])?(?:\$\(|`)")
#: Names in a store: ``prod/db/password-Xy7QzL``, and what follows ``arn:aws:secretsmanager:…:secret:``.
_PATH = re.compile(r"(?:[a-z][a-z_-]{1,30}\d?/){1,6}[a-z]{2,30}(?:[-_][a-z]{1,30}){0,6}(?:-[A-Za-z0-9]{6})?")
_ARN_HEAD = re.compile(r"arn:[\w-]{1,20}:[\w-]{1,40}:[\w-]{0,40}:\d{0,14}:$")


def find_assigned(text: str, labels: Set[str]) -> Iterator[Hit]:
    """Yield ``(start, end, kind)`` of every value that is assigned to a secret's name.

    ``labels``: those of ``list_assigned_needs`` that are looked for.
    """
    folded = text.encode("ascii", "replace").lower()  # one byte a character: places stay, and it is fast
    for words, lead, name, kind in _NAMES:
        if (PASSWORD_NAME if kind == "password" else SECRET_NAME) not in labels:
            continue
        places = [place for word in words if (place := folded.find(word)) >= 0]
        if not places:  # quicker than the expression, which has to look at every "w" and "s"
            continue
        pattern, place = _compile_name(name), min(places)
        while match := pattern.search(folded, place):
            hit = _judge_assignment(text, match, lead, kind)
            # what is no secret may hold one: {"token": "X_TOKEN=…"}
            place = hit[1] if hit else match.start(match.lastgroup or 0)
            if hit:
                yield hit


def is_secret_name(name: str) -> bool:
    """Whether a key of an object has one of the words of a secret's name."""
    return _SECRET_NAME.search(name.lower()) is not None


@cache
def _compile_name(name: str) -> re.Pattern[bytes]:
    """The expression for one of ``_NAMES`` with its value."""
    is_auth = name.startswith("auth")
    verb = "is" if name.startswith(("pass", "(")) else r"(?:is|was|(?:was[ ]|is[ ])?(?:re)?set[ ]to)"
    spoken = "" if is_auth else rf"|(?:[ \t](?:for|of|on|to)(?:[ \t][\w.@-]{{1,20}}){{1,4}}?)?[ \t]{verb}:?[ \t]{{1,2}}"
    # all letters of a name, but for a "value" at its end, which says that the value comes next
    after = r"(?P<after>[\w.-]{0,40}?(?=value|default)|[\w.-]{0,40}+(?![\w.-]))"
    return re.compile(rf"{name}{after}(?:{_SEPARATOR}{spoken}|(?P<space>[ \t]{{1,2}})){_VALUE}".encode())


def _judge_assignment(text: str, match: re.Match[bytes], lead: str, kind: str) -> Hit | None:
    begin = match.start() - len(lead)
    head = text[max(0, begin - 40) : begin]
    before = _find_before(head, kind)
    is_spoken = match["space"] is not None and not _is_option(before, head)
    if is_spoken and not _may_be_spoken(match, head, kind):
        return None
    after = match["after"].decode()
    if _is_harmless_name(before.lower(), after, kind) and not (
        kind == "api_key" and _is_vendor_key(text, match, before)
    ):
        return None
    is_quoted = match["bare"] is None
    start, end = match.span(match.lastgroup or 0)
    value = text[start:end]
    is_psk = is_quoted and kind == "password" and match[0][:2] == b"sk"
    if not is_quoted:
        value = _cut_query(text, start, end, begin, kind).rstrip(".:&")
    elif (end == len(text) and " " in value) or _SUBSTITUTION.match(value):
        return None
    elif kind != "password" and any(map(str.isspace, value)):
        return (start, end, kind) if _is_worded(text, match, value, head, before, kind) else None
    if value[:2] == '\\"' and value[-2:] == '\\"':  # "\"…\"", text within text
        start, value = start + 2, value[2:-2]
    if match["comma"] and kind == "password":
        is_spoken = not (_SETTER.search(head[: len(head) - len(before)]) and accept_strict(value))
    is_literal = is_quoted or (kind == "password" and not after and _is_in_query(text, begin) and not value.isdigit())
    if not value or _CHECKSUM.search(head) or (value[:2] == "0x" and before[-1:] == " "):  # a wallet's, a phrase
        return None
    is_phrase = kind == "password" and not is_spoken and not match["comma"]
    if (
        _accept_value(value, kind, is_literal, is_spoken)
        or (is_psk and is_network_key(value))
        or (is_phrase and _is_told(text, match, value, before, is_quoted))
        or (not is_spoken and _is_worded(text, match, value, head, before, kind))
    ) and not (_ARN_HEAD.search(text[max(0, begin - 100) : begin]) or (kind == "secret" and _PATH.fullmatch(value))):
        is_aws = kind == "secret" and after.replace("_", "") == "accesskey"
        return start, start + len(value), "aws_secret_key" if is_aws else kind
    return None


def _find_before(head: str, kind: str) -> str:
    """What of a name stands before its word."""
    before = head[len(head.rstrip(_NAME_LETTERS)) :]
    if kind == "api_key" and not before and head[-1:] in (" ", ":"):  # "API key", "Jwt:Key"
        return head[len(head[:-1].rstrip(_NAME_LETTERS)) :]
    return before


def _may_be_spoken(match: re.Match[bytes], head: str, kind: str) -> bool:
    """Whether a value may follow its name without a sign between: it has a digit, and a key's name something before."""
    if not any(map(str.isdigit, match[match.lastgroup or 0].decode())):
        return False
    return kind == "password" or (match[0][:4] != b"auth" and _SAID.search(head) is not None)


def _is_vendor_key(text: str, match: re.Match[bytes], before: str) -> bool:
    """Whether a variable is for somebody's key, by its name and value: ``KAGGLE_KEY=…``, but not ``CACHE_KEY=…``."""
    name, value = before + text[match.start() : match.end("after")], match[match.lastgroup or 0].decode()
    if not _VENDOR_KEY.fullmatch(name) or _OTHER_KEY.search(name):
        return False
    return len(value) >= 20 and "." not in value and not is_uuid(value)


def _is_harmless_name(before: str, after: str, kind: str) -> bool:
    """Whether what stands before and after the word makes no secret's name of it: ``next_token``, ``password_hash``."""
    if _HARMLESS_BEFORE.search(before) or _HARMLESS_AFTER.search(after):
        return True
    return (kind == "api_key" and not _KEY_BEFORE.search(before)) or (kind == "password" and after[1:] == "key")


def _is_told(text: str, match: re.Match[bytes], value: str, before: str, is_quoted: bool) -> bool:
    """Whether the name and the place of a value say that it is a password, whatever it looks like."""
    start, stop = match.start(), match.end("after")
    separator = text[stop : match.start(match.lastgroup or 0)]
    is_variable = bool(_VARIABLE.fullmatch(before + text[start:stop]))
    is_alone = separator[-1:] == ">" or before[:2] == "--"  # within a tag, behind an option
    if not (is_quoted or is_alone or _LINE_END.match(text, match.end(match.lastgroup or 0))):
        return False
    is_quoted = is_quoted or is_alone
    if not is_sure_password(value, is_quoted or is_variable):
        return False
    if is_assigned_password(value, is_quoted or is_variable) or not is_pass_phrase(value):
        return is_quoted or is_variable or "=" not in separator or "_" not in value or not value.islower()
    # words: labels of forms, in any language, stand behind "password:" too
    if is_variable or "=" in separator or before or b"phrase" in match[0] or any(map(str.isdigit, value)):
        return is_quoted or is_variable or "_" in value
    return is_quoted and value.islower() and value.isascii() and is_pass_phrase(value, 4)


def _is_worded(text: str, match: re.Match[bytes], value: str, head: str, before: str, kind: str) -> bool:
    """Whether a value of words is a secret by its name: ``JWT_SECRET=otter-parade-unlit-gravel``."""
    is_quoted = match["bare"] is None
    if match["comma"] or match["space"] or not (is_quoted or _LINE_END.match(text, match.end("bare"))):
        return False
    stop = match.end("after")
    name, separator = before + text[match.start() : stop], text[stop : match.start(match.lastgroup or 0)]
    if kind == "password":
        return is_quoted and " " in value and is_worded_password(value, name, separator)
    return is_worded_secret(value, head[: len(head) - len(before)], name, separator, is_quoted)


def _is_option(before: str, head: str) -> bool:
    """Whether a name may have its value behind a blank: ``--token …``, ``-storepass …``, ``config set token …``."""
    if before[:1] == "-":
        dash = len(head) - len(before)
        return before[:2] == "--" or dash == 0 or head[dash - 1] in " \t\n\"'("
    return before.endswith(("insecure-", "wpa-")) or bool(_SETTING.search(head))


def _accept_value(value: str, kind: str, is_quoted: bool, is_spoken: bool) -> bool:
    if kind != "password" and is_spoken:  # "use token …": names of code and hashes stand there too
        is_upper = len(value) >= 30 and value.isupper() and value.isalnum() and is_assigned_key(value, False)
        return is_upper or (len(value) >= 20 and is_drawn(re.sub("[_-]", "", value)))
    if kind != "password":
        return is_assigned_key(value, is_quoted)
    return is_spoken_password(value) if is_spoken else is_assigned_password(value, is_quoted)


def _is_in_query(text: str, begin: int) -> bool:
    """Whether a name stands in a URL's query, where no code can stand, or among the options of a JDBC URL."""
    if _QUERY_HEAD.search(text[max(0, begin - 80) : begin]):
        return True
    return text[begin - 1 : begin] == ";" and bool(_JDBC_HEAD.search(text[max(0, begin - 400) : begin]))


def _cut_query(text: str, start: int, end: int, begin: int, kind: str) -> str:
    """A bare value up to the ``&`` that ends it: any in a URL's query and in keys, else one before ``name=``."""
    value = text[start:end]
    if "&" not in value:
        return value
    if kind != "password" or _QUERY_HEAD.search(text[max(0, begin - 80) : begin]):
        return value[: value.index("&")]
    following = _QUERY_NEXT.search(text, start, end)
    return value[: following.start() - start] if following else value
