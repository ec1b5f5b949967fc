"""What a text holds at least where ``tracemill.redact.assignments`` finds a secret by its name.

The expressions there match many a ``token count`` and ``API_KEY, OPENAI_…`` of which nothing comes, so these ask for
what their last look asks for too: as many characters as a secret has, an option or a command before a value that
follows a blank, a digit in a password that a sentence tells. They allow more than that in all else.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracemill.redact.gate import Need

#: The gate's labels: for names of passwords, and for names of keys, tokens and secrets.
PASSWORD_NAME, SECRET_NAME = "password name", "secret name"

#: A name that ends in ``key`` is a secret's only after one of these.
KEY_HEADS = (
    r"(?:api|access|secret|private|auth|account|encryption|encrypt|signing|master|service|license|deploy|shared|app"
    r"|application|client|consumer|subscription|webhook|storage|jwt|session|admin|global|token|sdk|fernet"
    r"|preshared|smtp|functions?|fastly|insert"
    r"|server|bot|root|rsa|cipher|crypto|hmac|unseal|recovery|openai|anthropic|gemini|stability|fal|deploy"
    r"|write)[ :_.-]?"
)
_PASSWORDS = r"(?:(?:pass|pwd)[\w.-]{0,}|p(?:w|sk))"
_SECRETS = rf"(?:(?:secret|token|{KEY_HEADS}key|(?-i:[A-Z0-9]_KEY))[\w.-]{{0,}}|auth(?:orization)?)"
_QUOTE = r"\\{0,}[\"'`]"
_BLANKS = r"(?:[ \t]|\\t){0,}"
_BARE = r"[^\s\"'`\\,;|<>(){}\[\]]"
_QUOTED = "|".join(rf"{q}(?:[^\\\r\n{q}]|\\[^\r\n]){{6}}" for q in "\"'`") + r"|\\{1,}[\"'`][^\"'`\\\r\n]{6}"
_ASSIGN = (
    r"(?::[ \t]{0,}(?:&(?:'static[ ])?)?[\w|.<>\[\]?]{1,}[ \t]{0,}=|string[ \t]{0,}=|\[\d{0,}\][ \t]{0,}=|"
    r"(?:\|\||\?\??|\+)?[:=]=?=?>?"
    rf"|[,:]?(?:[\s{{]|\\n){{0,}}(?:{_QUOTE})?(?:value|default)(?:{_QUOTE})?[ \t]{{0,}}[:=])"
)
_SPOKEN = r"(?:[ \t](?:for|of|on|to)[ \t][\w.@ \t-]{1,})?[ \t](?:i|wa)s:?[ \t]{1,2}"
#: ``token set to …``
_SET_TO = r"[ \t](?:re)?set[ ]to:?[ \t]{1,2}"
#: Calls that wrap a literal: those shorter than what a bare value has at least.
_SHORT_CALL = r"[\w$.:]{0,2}(?:env|fetch|some)\("
_CALL = (
    r"[\w$.:]{0,}(?:env(?:iron\.get|::var|_var)?|fetch|get(?:orelse|property)|some|redacted"
    r"|s(?:ecret|ensitive)[\w:]{0,})\(|process\.env"
)
_PASSWORD_VALUE = rf"(?:[brfun@$]{{0,2}}(?:{_QUOTED})|{_BARE}{{6}}|{_SHORT_CALL})"
#: Keys have 16 characters, words joined to one 12, ``sk-lodge-9-fern`` fewer.
_SECRET_VALUE = rf"(?:[brfun@$]{{0,2}}(?:{_QUOTED})|{_BARE}{{12}}|sk-[a-z]|{_CALL})"
#: What ends an option's name before the word, or a command that sets a name; ``?`` stands for letters beyond ASCII. For
#: keys, whose value tells more, the last letter of such a command is enough.
_OPTION, _SECRET_OPTION = (
    rf"(?:[\w.:/@-]|[ \t]{{2}}|{command}[ \t]|et[ \t]{{1,}}-\w{{1,}}[ \t])"
    for command in ("(?:[s?]et|add|onf[i?]g|gure|cret|env|[i?]al|arg|etx|[i?]ne)[s?]?", "[degilstvx?]")
)


def list_assigned_needs() -> Iterator[Need]:
    """What ``find_assigned`` finds nothing without."""
    yield Need(PASSWORD_NAME, _PASSWORDS + _follow(_PASSWORD_VALUE), is_caseless=True)
    yield Need(SECRET_NAME, _SECRETS + _follow(_SECRET_VALUE), is_caseless=True)
    start = rf"[brfun@$]{{0,2}}{_QUOTE}"
    yield Need(
        PASSWORD_NAME,
        rf"{_OPTION}{_PASSWORDS}[ \t]{{1,2}}(?:{start}|{_BARE}{{6}}|{_SHORT_CALL})",
        is_caseless=True,
    )
    yield Need(
        SECRET_NAME,
        rf"{_SECRET_OPTION}(?:secret|token|key|auth)[\w.-]{{0,}}[ \t]{{1,2}}"
        r"(?:[^\s]{16}|[\w$.:]{0,}(?:env|get|fetch|\([ \t]))",
        is_caseless=True,
    )
    call = r"(?:[\w$.:]{1,}[(.\[][^\r\n]{0,})?"
    yield Need(
        PASSWORD_NAME,
        rf"(?:{_PASSWORDS}[ \t]{{1,2}}(?:{_BARE}{{0,}}|{call}{start}[^ \r\n]{{0,}})"
        rf"|psk[ \t]{{1,2}}{call}{start}[^\r\n]{{0,}})[0-9]",
        is_caseless=True,
    )


def _follow(value: str) -> str:
    """What stands between a name and its value, and the value; two ways tell that a quote or a tag comes next."""
    return (
        rf"(?:(?:{_QUOTE}\]?)?{_BLANKS}(?:{_ASSIGN}{_BLANKS}{value}|(?:[ \t][^<>\n]{{0,}})?>"
        r"(?:[\s\\n]{0,}<value>)?[^<>\s]{6,}</"
        rf"|(?:\|\||\?\?)[ \t]{{0,}}(?:{_QUOTED})|</(?:key|name)>)|{_QUOTE},[ \t]{{0,}}(?:{_QUOTED})|"
        rf"(?:{_SPOKEN}|{_SET_TO}){value})"
    )
