"""Secret values made at run time from each provider's documented format, so that no file here holds a key.

A specification is literal text with runs of random characters: ``ghp_{A:30}{crc}`` is a public prefix, 30 letters and
digits, and the checksum that GitHub and npm put at the end. Only the random runs are secret, and not ``{~N:10}``.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from labelled.formats import MORE_SPECS

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = DIGITS + UPPER + LOWER
ALPHABETS = {
    "A": ALNUM,
    "E": string.ascii_letters,
    "B": ALNUM + "+/",
    "C": UPPER + DIGITS,
    "D": DIGITS,
    "H": DIGITS + "abcdef",
    "L": LOWER + DIGITS,
    "N": DIGITS[1:],
    "P": ALNUM + "!#%*+=?^~",
    "T": ALNUM + "-_.~",
    "U": ALNUM + "-_",
    "2": UPPER + "234567",
    "b": LOWER + "234567",
    "x": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
_RUN = re.compile(r"\{(?:(~?)(\w):(\d+)|crc)\}")

SPECS: dict[str, str] = {
    # clouds
    "aws_id": "AKIA{2:16}", "aws_temp_id": "ASIA{2:16}", "aws_secret": "{B:40}",
    "aws_session": "IQoJb3JpZ2luX2Vj{B:240}",
    "gcp_api": "AIza{U:35}", "gcp_oauth": "ya29.a0{U:160}", "gcp_client_secret": "GOCSPX-{U:28}",
    "gcp_refresh": "1//0{U:98}", "azure_storage": "{B:76}+ASt{B:6}==", "azure_sas": "{A:20}%2B{A:14}%2F{A:8}%3D",
    "azure_client": "{A:3}8Q~{T:34}", "base64_32": "{B:43}=", "hex32": "{H:32}", "hex40": "{H:40}", "hex64": "{H:64}",
    "hex37": "{H:37}", "azdo_old": "{b:52}", "azdo_new": "{A:76}AZDO{A:4}", "alibaba": "LTAI5t{A:18}",
    "do_pat": "dop_v1_{H:64}", "heroku": "HRKU-AA{U:58}", "fly": "fm2_lJPE{B:160}", "flyio": "FlyV1 fm2_lJPE{B:120}",
    "netlify": "nfp_{A:36}", "render": "rnd_{A:32}", "databricks": "dapi{H:32}",
    "snowflake": "ver:1-hint:{D:10}-ETMsDgAA{B:120}",
    "cloudflare_token": "{U:40}", "cloudflare_ca": "v1.0-{H:24}-{H:146}", "linode": "{H:64}", "vercel": "{A:24}",
    "planetscale": "pscale_tkn_{U:43}", "supabase": "sbp_{H:40}", "supabase_secret": "sb_secret_{U:22}_{U:8}",
    # code hosts, packages, builds
    "ghp": "ghp_{A:30}{crc}", "gho": "gho_{A:30}{crc}", "ghs": "ghs_{A:30}{crc}", "ghu": "ghu_{A:30}{crc}",
    "github_pat": "github_pat_11{C:20}_{A:59}", "glpat": "glpat-{U:20}", "glpat_new": "glpat-{U:27}.01.{L:9}",
    "glrt": "glrt-{U:20}", "gldt": "gldt-{U:20}", "npm": "npm_{A:30}{crc}", "pypi": "pypi-AgEIcHlwaS5vcmc{U:150}",
    "docker_pat": "dckr_pat_{U:27}", "rubygems": "rubygems_{H:48}", "cargo": "cio{A:32}",
    "bitbucket": "ATBB{A:24}{H:8}",
    "circleci": "CCIPAT_{A:22}_{H:40}", "buildkite": "bkua_{H:40}", "pulumi": "pul-{H:40}", "sonar": "squ_{H:40}",
    "jfrog": "AKCp{A:69}", "terraform": "{A:14}.atlasv1.{U:67}", "vault": "hvs.CAESI{U:90}",
    "vault_short": "hvs.{A:24}",
    "vault_batch": "hvb.AAAAAQ{U:140}", "doppler": "dp.pt.{A:43}", "doppler_st": "dp.st.prd.{A:43}",
    # models
    "openai_old": "sk-{A:20}T3BlbkFJ{A:20}", "openai": "sk-proj-{U:74}T3BlbkFJ{U:74}",
    "openai_svc": "sk-svcacct-{U:74}T3BlbkFJ{U:74}",
    "openai_admin": "sk-admin-{U:58}T3BlbkFJ{U:58}",
    "anthropic": "sk-ant-api03-{U:93}AA", "anthropic_oauth": "sk-ant-oat01-{U:93}AA",
    "anthropic_admin": "sk-ant-admin01-{U:93}AA",
    "huggingface": "hf_{E:34}", "nvidia": "nvapi-{U:64}", "openrouter": "sk-or-v1-{H:64}",
    "groq": "gsk_{A:20}WGdyb3FY{A:24}",
    "replicate": "r8_{A:37}", "xai": "xai-{A:80}", "perplexity": "pplx-{A:48}", "langsmith": "lsv2_pt_{H:32}_{H:10}",
    "langsmith_sk": "lsv2_sk_{H:32}_{H:10}", "alnum40": "{A:40}", "alnum32": "{A:32}", "deepseek": "sk-{H:32}",
    "fireworks": "fw_{A:24}", "cerebras": "csk-{L:48}", "tavily": "tvly-dev-{A:32}", "pinecone": "pcsk_{A:6}_{A:63}",
    "elevenlabs": "sk_{H:48}", "together": "{H:64}",
    # talk, mail, pay, watch
    "slack_bot": "xoxb-{N:12}-{N:13}-{A:24}", "slack_user": "xoxp-{N:12}-{N:12}-{N:13}-{H:32}",
    "slack_app": "xapp-1-A{C:10}-{N:13}-{H:64}", "slack_hook": "{A:24}",
    # before the colon stands the bot's id, which anyone sees who writes to it (was wrongly held for secret at first)
    "telegram": "{~N:10}:AA{U:33}", "discord_hook": "{U:68}", "discord_bot": "MT{A:24}.G{U:5}.{U:38}",
    "twilio_auth": "{H:32}", "twilio_secret": "{A:32}", "sendgrid": "SG.{U:22}.{U:43}", "mailgun": "key-{H:32}",
    "mailgun_new": "{H:32}-{H:8}-{H:8}", "resend": "re_{A:8}_{A:24}", "mailchimp": "{H:32}-us14",
    "stripe_live": "sk_live_51{A:97}", "stripe_old": "sk_live_{A:24}", "stripe_rk": "rk_live_51{A:97}",
    "stripe_test": "sk_test_51{A:97}",
    "stripe_hook": "whsec_{A:32}", "shopify": "shpat_{H:32}", "shopify_secret": "shpss_{H:32}", "square": "EAAA{U:60}",
    "square_secret": "sq0csp-{U:43}", "linear": "lin_api_{A:40}", "notion": "ntn_{D:11}{A:35}",
    "notion_old": "secret_{A:43}",
    "atlassian": "ATATT3xFfGF0{U:171}={C:8}", "airtable": "pat{A:14}.{H:64}", "figma": "figd_{U:40}",
    "postman": "PMAK-{H:24}-{H:34}", "asana": "2/{N:16}/{N:16}:{H:32}",
    "hubspot": "pat-na1-{H:8}-{H:4}-{H:4}-{H:4}-{H:12}",
    "new_relic": "NRAK-{C:27}", "sentry_user": "sntryu_{H:64}", "sentry_org": "sntrys_eyJpYXQiOjE3{A:120}_{B:43}",
    "grafana": "glsa_{A:32}_{H:8}", "grafana_cloud": "glc_eyJvIjoi{A:110}==", "posthog": "phx_{A:43}",
    "okta": "00{U:40}",
    "tailscale": "tskey-auth-{A:11}CNTRL-{A:32}", "onepassword": "ops_eyJ{U:240}",
    "uuid": "{H:8}-{H:4}-{H:4}-{H:4}-{H:12}",
    "dropbox": "sl.B{U:134}", "mapbox": "sk.eyJ1Ijoi{A:76}.{U:22}", "facebook": "EAACEdEose0cBA{A:120}",
    # no provider
    "age": "AGE-SECRET-KEY-1{x:58}", "eth": "0x{H:64}", "pw12": "{P:12}", "pw16": "{A:16}", "pw20": "{P:20}",
    "hex48": "{H:48}", "urlsafe43": "{U:43}", "urlsafe64": "{U:64}", "alnum20": "{A:20}", "alnum24": "{A:24}",
    "hex16": "{H:16}", "hex24": "{H:24}", "hex7": "{H:7}", "hex128": "{H:128}", "b64_64": "{B:86}==",
    "b64_120": "{B:120}",
    "kube": "{b:6}.{L:16}", "b64_600": "{B:600}",
    **MORE_SPECS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A value, and those pieces of it that are secret."""

    text: str
    secrets: tuple[str, ...]


def make_value(name: str, dice: random.Random) -> Value:
    """A value by the name of a specification or of a maker; ``|esc`` escapes newlines.

    ``=text`` is the text itself, ``~text`` a specification.
    """
    if name.startswith("="):
        return Value(name[1:], (name[1:],))
    if name.startswith("~"):
        return fill_runs(name[1:], dice)
    name, *filters = name.split("|")
    value = MAKERS[name](dice) if name in MAKERS else fill_runs(SPECS[name], dice)
    for item in filters:
        value = Value(
            value.text.replace("\n", {"esc": "\\n", "esc2": "\\\\n", "indent": "\n    ", "diff": "\n-"}[item]),
            value.secrets,
        )
    return value


def fill_runs(spec: str, dice: random.Random) -> Value:
    """Fill the runs of a specification."""
    runs: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if not match[2]:
            runs[-1] += write_checksum(runs[-1])
            return runs[-1][-6:]
        letters = "".join(dice.choices(ALPHABETS[match[2]], k=int(match[3])))
        if not match[1]:
            runs.append(letters)
        return letters

    text = _RUN.sub(fill, spec)
    return Value(text, tuple(run for run in runs if len(run) >= 6))


def write_checksum(body: str) -> str:
    """CRC-32 in base 62, six digits. Source: GitHub's and npm's notes on their token formats."""
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        digits = ALNUM[rest] + digits
    return digits.rjust(6, "0")


def make_jwt(dice: random.Random) -> Value:
    head = _encode({"alg": "HS256", "typ": "JWT"})
    body = _encode({"sub": str(dice.randrange(10**9, 10**10)), "role": "admin", "jti": f"{dice.getrandbits(64):x}"})
    sign = base64.urlsafe_b64encode(dice.randbytes(32)).decode().rstrip("=")
    return Value(f"{head}.{body}.{sign}", (sign, body[24:]))


def make_pem(label: str, lines: int, dice: random.Random, head: str = "") -> Value:
    """A key in its armour; the lines of its body are the secret."""
    body = [head + fill_runs(f"{{B:{64 - len(head)}}}", dice).text]
    body += [fill_runs("{B:64}", dice).text for _ in range(lines)] + [fill_runs("{B:30}==", dice).text]
    armour = f"-----BEGIN {label}-----\n" + "\n".join(body) + f"\n-----END {label}-----"
    return Value(armour, tuple(line[len(head) if number == 0 else 0 :] for number, line in enumerate(body)))


def make_basic(dice: random.Random) -> Value:
    """User and password as a basic auth header has them."""
    text = base64.b64encode(f"deploy:{fill_runs('{A:16}', dice).text}".encode()).decode()
    return Value(text, (text[10:],))


def make_base64_password(dice: random.Random) -> Value:
    """A password as a Kubernetes secret has it."""
    text = base64.b64encode(fill_runs("{P:18}", dice).text.encode()).decode()
    return Value(text, (text,))


def make_base64_pem(dice: random.Random) -> Value:
    """A private key as a kubeconfig has it."""
    pem = make_pem("RSA PRIVATE" + " KEY", 8, dice).text
    text = base64.b64encode(pem.encode()).decode()
    return Value(text, (text[48:-48],))


def make_plain_base64(dice: random.Random) -> Value:
    """Words in base64."""
    words = ["the", "quick", "agent", "reads", "every", "file", "in", "this", "folder", "before", "it", "writes"]
    return Value(base64.b64encode(" ".join(dice.choices(words, k=20)).encode()).decode(), ())


def make_base64_credentials(dice: random.Random) -> Value:
    """What Docker keeps of a registry, as a Kubernetes secret has it."""
    shown = json.dumps(
        {"auths": {"cr.shop.io": {"username": "ci", "auth": make_basic(dice).text}}}, indent=dice.choice((None, 2))
    )
    text = base64.b64encode(shown.encode()).decode()
    return Value(text, (text[16:-4],))


def make_base64_json(dice: random.Random) -> Value:
    """An object without a secret: where a page ends."""
    shown = json.dumps({"page": dice.randrange(99), "sort": "created_at", "after": f"{dice.getrandbits(64):x}"})
    return Value(base64.b64encode(shown.encode()).decode(), ())


def _encode(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


_KEY = "PRIVATE" + " KEY"
MAKERS: dict[str, Callable[[random.Random], Value]] = {
    "jwt": make_jwt,
    "basic": make_basic,
    "b64_password": make_base64_password,
    "b64_pem": make_base64_pem,
    "b64_words": make_plain_base64,
    "b64_credentials": make_base64_credentials,
    "b64_json": make_base64_json,
    "pem_rsa": lambda dice: make_pem("RSA " + _KEY, 6, dice, "MIIEpAIBAAKCAQEA"),
    "pem_pkcs8": lambda dice: make_pem(_KEY, 8, dice, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
    "pem_ec": lambda dice: make_pem("EC " + _KEY, 1, dice, "MHcCAQEEI"),
    "pem_encrypted": lambda dice: make_pem("ENCRYPTED " + _KEY, 6, dice, "MIIFHDBOBgkq"),
    "openssh": lambda dice: make_pem("OPENSSH " + _KEY, 5, dice, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"),
    "pgp": lambda dice: make_pem(f"PGP {_KEY} BLOCK", 8, dice, "lQWGBF"),
    "pem_public": lambda dice: make_pem("PUBLIC" + " KEY", 4, dice, "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"),
    "pem_certificate": lambda dice: make_pem("CERTIFICATE", 8, dice, "MIIDdzCCAl+gAwIBAgIE"),
}
