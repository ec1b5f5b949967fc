"""The rules: what is a secret or a person's name, and where such a thing can begin.

A rule is a kind, the literals with which a match begins (or which it holds ``back`` characters after its begin), and
a pattern that is tried there and nowhere else. Text is therefore never searched by the rules' own patterns; it is
searched by a few sieves that ``tracemill.redact.sieve`` builds from the literals.

Source of the key formats: the vendors' documents, checked against the public rules of gitleaks (MIT), none copied.
"""

from __future__ import annotations

import re

from tracemill.redact.providers import PROVIDERS
from tracemill.redact.rule import BASE64_BOUNDARY, BOUNDARY, A, Rule, W, accept_key
from tracemill.redact.shapes import is_assigned_password, is_key, is_stand_in, is_url_password


def _accept_jwt(match: re.Match[str]) -> bool:
    return not is_stand_in(match[0], match[0].rindex(".") + 1)


def _accept_aws(match: re.Match[str]) -> bool:
    return not is_stand_in(match[0], len("AKIA"))


def _accept_user_password(match: re.Match[str]) -> bool:
    """``-u`` is an option of many programs: the password of curl's may be any, another's has to look like one."""
    last = match.lastindex or 0
    user, password = match[last - 1], match[last]
    if not is_url_password(user, password):
        return False
    before = match.string[max(0, match.start() - 400) : match.start()]
    if "curl" in before:
        return True
    return match["space"] != "" and "/" not in password and is_assigned_password(password, False)


def _accept_url_password(match: re.Match[str]) -> bool:
    return is_url_password(match[1], match[2])


def _accept_telegram(match: re.Match[str]) -> bool:
    return is_key(match[0], match[0].index(":") + 1)


def _accept_private_key(match: re.Match[str]) -> bool:
    return len(re.findall(r"[A-Za-z0-9+/]{24}", match[0])) >= 1


_USERINFO = r"[^\s@/\"'`<>\\]{1,371}+@"
_USER = r"[\w.@+-]{1,64}+"
_PEM_KIND = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"

#: How keys begin without the lines around them: RSA, EC, PKCS #8, OpenSSH, and PEM once more in base64.
_KEY_BEGINS = (
    "MIIEpAIBAAKCAQEA",
    "MIIEowIBAAKCAQEA",
    "MIIEogIBAAKCAQEA",
    "MIIEpQIBAAKCAQEA",
    "MIIJKQIBAAKCAgEA",
    "MIIJKAIBAAKCAgEA",
    "MIIJKgIBAAKCAgEA",
    "MIIEvQIBADANBgkq",
    "MIIEvgIBADANBgkq",
    "MIIEvAIBADANBgkq",
    "MIIJQgIBADANBgkq",
    "MIIJQwIBADANBgkq",
    "MIIJRAIBADANBgkq",
    "MHcCAQEEI",
    "MIGkAgEBBD",
    "MIGHAgEAMBMG",
    "MIG2AgEAMBAG",
    "MC4CAQAwBQYDK2Vw",
    "b3BlbnNzaC1rZXktdjE",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtF",
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBL",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtF",
    "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0",
    "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJ",
    "LS0tLS1CRUdJTiBEU0EgUFJJVkFURSBL",
    "LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBL",
)

_STRUCTURED: tuple[Rule, ...] = (
    Rule(
        "private_key",
        ("-----BEGIN",),
        rf"-----BEGIN {_PEM_KIND}(?:(?:[^-]|-(?!----)|-(?=-----END )){{0,20000}}+(?=-----END )"
        rf"|(?:[A-Za-z0-9+/=\s]|\\{{1,8}}[nr]|(?<=\d)[\u2192|:]|(?<=\n)[->]|(?<=\\n)[->])*+)(?:-----END {_PEM_KIND})?",
        _accept_private_key,
        gate="PRIVATE KEY(?: BLOCK)?-----",
    ),
    Rule(
        "jwt",
        ("eyJ",),
        rf"{BOUNDARY}eyJ{W}{{8,4000}}+\.{W}{{8,8000}}+\.{W}{{8,2000}}",
        _accept_jwt,
        ahead=rf"{W}{{8,4000}}+\.",
    ),
    Rule(
        "url_password",
        ("://",),
        r"://([^\s:@/\"'`<>\\]{0,120}):([^\s@/\"'`<>\\]{1,250})@(?=[\w\[.$-])",
        _accept_url_password,
        ahead=_USERINFO,
    ),
    Rule(
        "password",
        ("-u", "--user"),
        rf"(?:(?<![\w-])|(?<=\\[nrt]))(?:-u|--user(?=[ \t=]))(?P<space>[ \t=]{{0,2}})"
        rf"(?:\\{{0,8}}[\"']({_USER}):([^\"'\\\r\n]{{3,200}}+)(?=\\{{0,8}}[\"'])"
        rf"|({_USER}):([^\s\"'`\\,;|<>(){{}}\[\]]{{3,200}}+))",
        _accept_user_password,
        ahead=rf"[ \t=]{{0,2}}(?:\\{{0,8}}[\"'])?{_USER}:",
    ),
    Rule(
        "webhook",
        ("hooks.",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,120})",
        accept_key,
    ),
    Rule("webhook", ("hooks.",), r"hooks\.zapier\.com/hooks/(?:catch|standard)/(\d{5,12}/[a-z0-9]{5,24})"),
    Rule(
        "webhook",
        ("discord.", "discordapp."),
        rf"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d{{17,20}}/{W}{{50,100}})",
    ),
    Rule(
        "webhook",
        (".office.com/webhook",),
        r"\.office\.com/webhook(?:b2)?/([0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f/-]{30,120})",
    ),
    Rule("sentry_key", ("://",), r"://([0-9a-f]{32}(?::[0-9a-f]{32})?)@(?=[\w.-]*sentry)", ahead=_USERINFO),
    Rule(
        "aws_access_key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        rf"{BASE64_BOUNDARY}A(?:KI|SI|BI|CC)A[A-Z2-7]{{16}}(?![A-Za-z0-9+]|/(?!\d{{8}}/))",
        _accept_aws,
    ),
    Rule(
        "azure_secret",
        ("Q~",),
        rf"{BOUNDARY}[A-Za-z0-9_~.]{{3}}\dQ~[A-Za-z0-9_~.-]{{31,34}}",
        accept_key,
        (4,),
        gate=r"Q~[A-Za-z0-9_~.-]{31}",
    ),
    # keys without the lines around them: how the structure of each sort begins, and PEM in base64
    Rule(
        "private_key",
        _KEY_BEGINS,
        rf"{BASE64_BOUNDARY}(?:M(?:II|Hc|IG|C4)|b3Bl|LS0t)[A-Za-z0-9+/_-]{{40,8000}}+={{0,2}}"
        r"(?:(?:[\s\u2192|:]|\\{1,8}[nr]|(?<=[\sn])\d{1,6}(?=\u2192|[|:\t])){1,20}[A-Za-z0-9+/]{40,100}+={0,2}){0,80}",
        accept_key,
        gate="|".join(_KEY_BEGINS),
    ),
    Rule("azure_signature", ("&sig=", "?sig=", ";sig="), r"[&?;]sig=([A-Za-z0-9%+/]{40,120}(?:%3D|=)?)", accept_key),
    Rule(
        "azure_devops_token",
        ("AZDO",),
        rf"{BASE64_BOUNDARY}{A}{{76}}AZDO{A}{{4}}(?!{A})",
        back=(76,),
        gate="AZDO[A-Za-z0-9]{4}",
    ),
    Rule(
        "azure_key",
        ("AzFu", "AzSe"),
        rf"(?:{W}{{44}}AzFu{W}{{6}}|{A}{{42}}AzSe{A}{{6}})(?:={{1,2}}|%3D)",
        accept_key,
        (44, 42),
        gate="Az(?:Fu|Se)[A-Za-z0-9_-]{6}[=%]",
    ),
    Rule(
        "url_signature",
        ("ignature=",),
        r"[sS]ignature=([0-9a-fA-F]{64,1024}(?![A-Za-z0-9])|[A-Za-z0-9_~+/.%-]{100,1000}={0,2})",
        accept_key,
        (1,),
    ),
    Rule(
        "session_cookie",
        (".eJ",),
        rf"(?<![A-Za-z0-9+/=_-])\.eJ{W}{{20,4000}}+\.{W}{{6}}\.{W}{{27,43}}(?!{W})",
        accept_key,
        gate=rf"\.eJ{W}{{20,}}\.{W}{{6}}\.{W}{{27}}",
    ),
    Rule("terraform_token", (".atlasv1.",), rf"{BOUNDARY}{A}{{14}}\.atlasv1\.{W}{{50,1000}}", accept_key, (14,)),
    Rule("telegram_token", (":AA",), rf"(?<!\d)\d{{8,10}}:AA{W}{{32,35}}(?!{W})", _accept_telegram, (10, 9, 8)),
    Rule(
        "discord_token",
        (".",),
        rf"{BOUNDARY}[MNO][DTjz]{W}{{22,26}}\.{W}{{6}}\.{W}{{27,45}}(?!{W})",
        accept_key,
        (24, 25, 26, 27, 28),
        rf"{W}{{6}}\.{W}{{27}}",
        rf"[MNO][DTjz]{W}{{22,}}\.{W}{{6}}\.{W}{{27}}",
    ),
    Rule("twilio_key", ("SK",), rf"{BASE64_BOUNDARY}SK[0-9a-f]{{32}}(?!{A})", accept_key, ahead="[0-9a-f]{32}"),
)

RULES: tuple[Rule, ...] = (*_STRUCTURED, *PROVIDERS)
