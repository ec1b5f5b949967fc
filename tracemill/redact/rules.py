"""The rules: what is a secret or a person's name, and where such a thing can begin.

A rule is a kind, the literals with which a match begins (or which it holds ``back`` characters after its begin), and
a pattern that is tried there and nowhere else. Text is therefore never searched by the rules' own patterns; it is
searched by a few sieves that ``tracemill.redact.sieve`` builds from the literals.

Source of the key formats: the vendors' documents, checked against the public rules of gitleaks (MIT), none copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tracemill.redact.shapes import is_assigned_password, is_key, is_stand_in, is_url_password

#: A match may begin after a letter only where that letter ends an escape: ``\\n``, ``%3D``, a colour code.
BOUNDARY = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2})|(?<=\dm))"
#: Also not within base64.
BASE64_BOUNDARY = r"(?:(?<![A-Za-z0-9+/])|(?<=\\[nrt])|(?<=%[0-9A-F]{2})|(?<=\dm))"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    * ``kind``: snake_case; the key in ``Trace.redacted`` and, in capitals, part of the placeholder.
    * ``literals``: every match holds one of them, at one of the offsets ``back`` from its begin.
    * ``pattern``: what is matched from the begin on; its last group is the secret, else the whole match.
    * ``accept``: a last look at the match.
    * ``ahead``: a cheap pattern of what follows the literal, where the literal alone is frequent.
    """

    kind: str
    literals: tuple[str, ...]
    pattern: str
    accept: Callable[[re.Match[str]], bool] | None = None
    back: tuple[int, ...] = (0,)
    ahead: str = ""


def _accept_key(match: re.Match[str]) -> bool:
    return is_key(match[match.lastindex or 0])


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


def _accept_private_key(match: re.Match[str]) -> bool:
    return len(re.findall(r"[A-Za-z0-9+/]{24}", match[0])) >= 1


def _prefix(kind: str, literals: str, tail: str, boundary: str = BOUNDARY, ahead: str = "") -> Rule:
    names = tuple(literals.split())
    heads = "|".join(re.escape(name) for name in names)

    def accept(match: re.Match[str]) -> bool:
        return is_key(match[0], max(len(name) for name in names if match[0].startswith(name)))

    return Rule(kind, names, rf"{boundary}(?:{heads}){tail}", accept, ahead=ahead)


_W = r"[A-Za-z0-9_-]"
_A = r"[A-Za-z0-9]"
_H = r"[0-9a-fA-F]"
_USERINFO = r"[^\s@/\"'`<>\\]{1,371}+@"
_USER = r"[\w.@+-]{1,64}+"
_PEM_KIND = r"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"

RULES: tuple[Rule, ...] = (
    # blocks and tokens with a structure of their own
    Rule(
        "private_key",
        ("-----BEGIN",),
        rf"-----BEGIN {_PEM_KIND}(?:(?:[^-]|-(?!----)){{0,20000}}+(?=-----END )"
        rf"|(?:[A-Za-z0-9+/=\s]|\\{{1,8}}[nr])*+)(?:-----END {_PEM_KIND})?",
        _accept_private_key,
    ),
    Rule(
        "jwt",
        ("eyJ",),
        rf"{BOUNDARY}eyJ{_W}{{8,4000}}+\.{_W}{{8,8000}}+\.{_W}{{8,2000}}",
        _accept_jwt,
        ahead=rf"{_W}{{8,4000}}+\.",
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
        _accept_key,
    ),
    Rule(
        "webhook",
        ("discord.", "discordapp."),
        rf"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(\d{{17,20}}/{_W}{{50,100}})",
    ),
    Rule(
        "webhook",
        ("webhook.",),
        r"webhook\.office\.com/webhookb2/([0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f/-]{60,120})",
    ),
    Rule("sentry_key", ("://",), r"://([0-9a-f]{32}(?::[0-9a-f]{32})?)@(?=[\w.-]*sentry)", ahead=_USERINFO),
    # model providers
    _prefix("anthropic_key", "sk-ant-", rf"{_W}{{16,1000}}"),
    _prefix("openrouter_key", "sk-or-", rf"{_W}{{20,1000}}"),
    _prefix("langfuse_key", "sk-lf-", rf"{_H}{{8}}-{_W}{{20,1000}}"),
    _prefix("openai_key", "sk-", rf"(?!ant-|or-|lf-){_W}{{20,1000}}"),
    _prefix("elevenlabs_key", "sk_", rf"{_H}{{40,1000}}"),
    _prefix("nvidia_key", "nvapi-", rf"{_W}{{20,1000}}"),
    _prefix("groq_key", "gsk_", rf"{_A}{{32,1000}}"),
    _prefix("replicate_key", "r8_", rf"{_A}{{30,1000}}"),
    _prefix("perplexity_key", "pplx-", rf"{_A}{{32,1000}}"),
    _prefix("xai_key", "xai-", rf"{_W}{{40,1000}}"),
    _prefix("huggingface_token", "hf_ api_org_", rf"{_A}{{30,1000}}"),
    _prefix("together_key", "tgp_v1_", rf"{_W}{{30,1000}}"),
    _prefix("fireworks_key", "fw_", rf"{_A}{{20,1000}}"),
    _prefix("cerebras_key", "csk-", rf"{_A}{{30,1000}}"),
    _prefix("tavily_key", "tvly-", rf"{_W}{{20,1000}}"),
    _prefix("firecrawl_key", "fc-", rf"{_H}{{32}}"),
    _prefix("jina_key", "jina_", rf"{_W}{{40,1000}}"),
    _prefix("pinecone_key", "pcsk_", rf"{_W}{{40,1000}}"),
    _prefix("langsmith_key", "lsv2_pt_ lsv2_sk_", rf"{_A}{{32}}(?:_{_A}+)?"),
    _prefix("e2b_key", "e2b_", rf"{_H}{{40}}"),
    # clouds
    Rule(
        "aws_access_key",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        rf"{BASE64_BOUNDARY}A(?:KI|SI|BI|CC)A[A-Z2-7]{{16}}(?![A-Za-z0-9+/])",
        _accept_aws,
    ),
    _prefix("google_api_key", "AIza", rf"{_W}{{33,1000}}", BASE64_BOUNDARY),
    _prefix("google_oauth_token", "ya29.", rf"{_W}{{20,1000}}"),
    _prefix("google_oauth_secret", "GOCSPX-", rf"{_W}{{20,1000}}"),
    Rule("azure_secret", ("Q~",), rf"{BOUNDARY}[A-Za-z0-9_~.]{{3}}\dQ~[A-Za-z0-9_~.-]{{31,34}}", _accept_key, (4,)),
    Rule("azure_signature", ("&sig=",), r"&sig=([A-Za-z0-9%+/]{40,120}(?:%3D|=)?)", _accept_key),
    _prefix("alibaba_key", "LTAI", rf"{_A}{{16,24}}(?!{_A})", BASE64_BOUNDARY),
    _prefix("tencent_key", "AKID", rf"{_A}{{32}}(?!{_A})", BASE64_BOUNDARY),
    _prefix("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", rf"{_H}{{40,1000}}"),
    _prefix("heroku_key", "HRKU-", rf"{_W}{{30,1000}}"),
    _prefix("databricks_token", "dapi", rf"{_H}{{32}}(?:-\d)?(?!{_A})", BASE64_BOUNDARY, f"{_H}{{32}}"),
    _prefix("supabase_key", "sbp_ sb_secret_", rf"{_W}{{30,1000}}"),
    _prefix("planetscale_key", "pscale_tkn_ pscale_pw_ pscale_oauth_", rf"{_W}{{30,1000}}"),
    _prefix("vault_token", "hvs. hvb. hvr.", rf"{_W}{{20,1000}}"),
    Rule("terraform_token", (".atlasv1.",), rf"{BOUNDARY}{_A}{{14}}\.atlasv1\.{_W}{{50,1000}}", _accept_key, (14,)),
    _prefix(
        "doppler_token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", rf"(?:[a-z0-9_-]{{2,35}}\.)?{_A}{{40,1000}}"
    ),
    # code hosts and registries
    _prefix("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_A}{{30,1000}}"),
    _prefix("github_token", "github_pat_", r"[A-Za-z0-9_]{36,1000}"),
    _prefix(
        "gitlab_token", "glpat- glptt- gldt- glrt- glcbt- glsoat- glft- glimt- glagent-", r"[A-Za-z0-9_.-]{20,1000}"
    ),
    _prefix("npm_token", "npm_", rf"{_A}{{36,1000}}"),
    _prefix("pypi_token", "pypi-", rf"AgE{_W}{{40,1000}}"),
    _prefix("rubygems_key", "rubygems_", rf"{_H}{{48}}"),
    _prefix("docker_token", "dckr_pat_ dckr_oat_", rf"{_W}{{20,1000}}"),
    _prefix("atlassian_token", "ATATT3", r"[A-Za-z0-9_=-]{60,1000}", BASE64_BOUNDARY),
    _prefix("artifactory_key", "AKCp", rf"{_A}{{60,1000}}", BASE64_BOUNDARY),
    # messengers
    _prefix("slack_token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxc- xoxd- xapp-", r"[A-Za-z0-9%._-]{16,1000}"),
    Rule("telegram_token", (":AA",), rf"(?<=\d{{8}}):(AA{_W}{{32,35}})(?!{_W})", _accept_key),
    Rule(
        "discord_token",
        (".",),
        rf"{BOUNDARY}[MNO]{_W}{{23,27}}\.{_W}{{6}}\.{_W}{{27,45}}(?!{_W})",
        _accept_key,
        (24, 25, 26, 27, 28),
        rf"{_W}{{6}}\.{_W}{{27}}",
    ),
    Rule("twilio_key", ("SK",), rf"{BASE64_BOUNDARY}SK[0-9a-f]{{32}}(?!{_A})", _accept_key, ahead="[0-9a-f]{32}"),
    _prefix("sendgrid_key", "SG.", rf"{_W}{{16,32}}\.{_W}{{16,64}}"),
    _prefix("mailgun_key", "key-", rf"[0-9a-f]{{32}}(?!{_A})"),
    _prefix("resend_key", "re_", rf"{_A}{{8}}_{_A}{{20,1000}}"),
    # money, work, watching
    _prefix("stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_", rf"{_A}{{16,1000}}"),
    _prefix("stripe_key", "whsec_", r"[A-Za-z0-9+/]{24,1000}=?"),
    _prefix("shopify_token", "shpat_ shpss_ shpca_ shppa_", rf"{_H}{{32}}"),
    _prefix("square_token", "sq0atp- sq0csp-", rf"{_W}{{20,1000}}"),
    _prefix("square_token", "EAAA", rf"{_W}{{56,1000}}", BASE64_BOUNDARY),
    _prefix("linear_key", "lin_api_ lin_oauth_", rf"{_A}{{32,1000}}"),
    _prefix("notion_key", "secret_ ntn_", rf"{_A}{{40,1000}}"),
    _prefix("postman_key", "PMAK-", rf"{_H}{{24}}-{_H}{{34}}"),
    _prefix("figma_token", "figd_", rf"{_W}{{36,1000}}"),
    _prefix("posthog_key", "phx_", rf"{_A}{{32,1000}}"),
    _prefix("grafana_token", "glsa_ glc_", r"[A-Za-z0-9_+/=-]{32,1000}"),
    _prefix("newrelic_key", "NRAK- NRII- NRJS-", rf"{_W}{{19,1000}}"),
    _prefix("sentry_token", "sntrys_ sntryu_", r"[A-Za-z0-9_+/=-]{40,1000}"),
    _prefix("onepassword_token", "ops_", r"eyJ[A-Za-z0-9+/=_-]{100,1000}"),
    _prefix("age_key", "AGE-SECRET-KEY-", r"1[A-Z0-9]{58}"),
)
