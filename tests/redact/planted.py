"""Planted secrets and names, and what is none; keys are made at run time, no scanner finds one in this file."""

from __future__ import annotations

import random
import string

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def make(letters: str, length: int, seed: int = 7) -> str:
    """A random value, the same in every run."""
    return "".join(random.Random(f"{seed}{letters}{length}").choices(letters, k=length))


URLSAFE = ALNUM + "_-"
JWT = "eyJ" + make(ALNUM, 33) + ".eyJ" + make(ALNUM, 60) + "." + make(URLSAFE, 42) + "x"
PEM_BODY = "\n".join(make(ALNUM + "+/", 64, seed) for seed in range(6))
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{PEM_BODY}\n-----END RSA {'PRIVATE'} KEY-----"

#: kind, value: every provider's key as it is issued.
KEYS: list[tuple[str, str]] = [
    ("openai_key", "sk-" + make(ALNUM, 48)),
    ("openai_key", "sk-proj-" + make(URLSAFE, 120) + "9x"),
    ("openai_key", "sk-svcacct-" + make(URLSAFE, 74) + "9x"),
    ("anthropic_key", "sk-ant-api03-" + make(URLSAFE, 93) + "AA"),
    ("openrouter_key", "sk-or-v1-" + make(HEX, 64)),
    ("langfuse_key", "sk-lf-0f3c9a1e-77b2-4d51-9c1e-2b7f60a4d8e3"),
    ("elevenlabs_key", "sk_" + make(HEX, 48)),
    ("nvidia_key", "nvapi-" + make(URLSAFE, 63) + "q"),
    ("groq_key", "gsk_" + make(ALNUM, 52)),
    ("replicate_key", "r8_" + make(ALNUM, 37)),
    ("perplexity_key", "pplx-" + make(ALNUM, 48)),
    ("xai_key", "xai-" + make(ALNUM, 80)),
    ("huggingface_token", "hf_" + make(ALNUM, 34)),
    ("together_key", "tgp_v1_" + make(URLSAFE, 42) + "q"),
    ("cerebras_key", "csk-" + make(ALNUM, 48)),
    ("tavily_key", "tvly-dev-" + make(ALNUM, 32)),
    ("firecrawl_key", "fc-" + make(HEX, 32)),
    ("pinecone_key", "pcsk_" + make(ALNUM, 60)),
    ("langsmith_key", "lsv2_pt_" + make(HEX, 32) + "_" + make(HEX, 10)),
    ("aws_access_key", "AKIA" + make("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
    ("aws_access_key", "ASIA" + make("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, 8)),
    ("google_api_key", "AIza" + make(ALNUM, 35)),
    ("google_oauth_token", "ya29." + make(URLSAFE, 120) + "q"),
    ("google_oauth_secret", "GOCSPX-" + make(ALNUM, 28)),
    ("azure_secret", "aB3" + "8Q~" + make(ALNUM, 34)),
    ("digitalocean_token", "dop_v1_" + make(HEX, 64)),
    ("heroku_key", "HRKU-" + make(ALNUM, 60)),
    ("databricks_token", "dapi" + make(HEX, 32)),
    ("supabase_key", "sbp_" + make(HEX, 40)),
    ("vault_token", "hvs." + make(ALNUM, 90)),
    ("terraform_token", make(ALNUM, 14) + ".atlasv1." + make(ALNUM, 64)),
    ("doppler_token", "dp.pt." + make(ALNUM, 43)),
    ("github_token", "ghp_" + make(ALNUM, 36)),
    ("github_token", "gho_" + make(ALNUM, 36)),
    ("github_token", "ghs_" + make(ALNUM, 36)),
    ("github_token", "github_pat_" + make(ALNUM, 22) + "_" + make(ALNUM, 59)),
    ("gitlab_token", "glpat-" + make(ALNUM, 20)),
    ("npm_token", "npm_" + make(ALNUM, 36)),
    ("pypi_token", "pypi-AgEIcHlwaS5vcmc" + make(ALNUM, 150)),
    ("docker_token", "dckr_pat_" + make(ALNUM, 27)),
    ("atlassian_token", "ATATT3" + make(ALNUM, 186)),
    ("slack_token", "xoxb-" + make(string.digits, 12) + "-" + make(string.digits, 13) + "-" + make(ALNUM, 24)),
    ("telegram_token", make("123456789", 10) + ":AA" + make(ALNUM, 33)),
    ("discord_token", "M" + make(ALNUM, 25) + "." + make(ALNUM, 6) + "." + make(ALNUM, 38)),
    ("twilio_key", "SK" + make(HEX, 32)),
    ("sendgrid_key", "SG." + make(ALNUM, 22) + "." + make(ALNUM, 43)),
    ("mailgun_key", "key-" + make(HEX, 32)),
    ("stripe_key", "sk_live_" + make(ALNUM, 24)),
    ("stripe_key", "rk_test_" + make(ALNUM, 24)),
    ("shopify_token", "shpat_" + make(HEX, 32)),
    ("square_token", "sq0atp-" + make(ALNUM, 22)),
    ("linear_key", "lin_api_" + make(ALNUM, 40)),
    ("notion_key", "ntn_" + make(ALNUM, 46)),
    ("notion_key", "secret_" + make(ALNUM, 43)),
    ("postman_key", "PMAK-" + make(HEX, 24) + "-" + make(HEX, 34)),
    ("figma_token", "figd_" + make(ALNUM, 40)),
    ("grafana_token", "glsa_" + make(ALNUM, 32) + "_" + make(HEX, 8)),
    ("newrelic_key", "NRAK-" + make(string.ascii_uppercase + string.digits, 27)),
    ("sentry_token", "sntrys_" + "eyJ" + make(ALNUM, 90) + "_" + make(ALNUM, 43)),
    ("age_key", "AGE-SECRET-KEY-1" + make("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    ("jwt", JWT),
    ("private_key", PEM),
]

SURROUNDINGS = {
    "code": 'client = Client("{}")\n',
    "prose": "I used {} and it was refused.",
    "log": "2026-01-05 10:00:01 INFO key={} status=401",
    "escaped newline": "line one\\n{}\\nline two",
    "url": "https://api.vendor.io/v1?x=1&t={}&y=2",
    "colour": "\x1b[32m{}\x1b[0m",
    "start": "{}",
}

#: text with {} where the value stands, value, kind
NAMED: list[tuple[str, str, str]] = [
    ("export DATADOG_API_KEY={}\n", make(HEX, 32), "api_key"),
    ("HEROKU_API_KEY={}", "0f3c9a1e-77b2-4d51-9c1e-2b7f60a4d8e3", "api_key"),
    ("CLOUDFLARE_API_TOKEN = '{}'", make(URLSAFE, 39) + "9", "token"),
    ('{{"api_key": "{}", "model": "m"}}', make(ALNUM, 40), "api_key"),
    ('{{\\"apiKey\\": \\"{}\\"}}', make(ALNUM, 40), "api_key"),
    ('client_secret: "{}"', make(ALNUM, 32), "secret"),
    ('os.environ["SESSION_TOKEN"] = "{}"', make(ALNUM, 30), "token"),
    ("aws_secret_access_key = {}", make(ALNUM + "+/", 40), "aws_secret_key"),
    ("DefaultEndpointsProtocol=https;AccountKey={};End", make(ALNUM, 86) + "==", "api_key"),
    ("//registry.example-host.org/:_authToken={}", "0f3c9a1e-77b2-4d51-9c1e-2b7f60a4d8e3", "token"),
    ("DB_PASSWORD={}", "tr0ub4dor&3"[:9], "password"),
    ('"password": "{}"', "hunter2", "password"),
    ("psql --password {} -h db", "Zx9kk2pq", "password"),
    ("<password>{}</password>", "Zx9kk2pq", "password"),
    ("Server=db;User Id=sa;Password={};", "Zx9!kk2pq", "password"),
    ("the password is {}", "Zx9!kk2pq", "password"),
    ("password: str = '{}'", "Zx9!kk2pq", "password"),
    ("postgres://app:{}@db.internal:5432/app", "s3cr3tPw", "url_password"),
    ("redis://:{}@localhost:6379/0", "Kd83hsk2", "url_password"),
    ("https://oauth2:{}@gitlab.com/a/b.git", make(ALNUM, 20), "url_password"),
    ("Authorization: Bearer {}", make(ALNUM, 40), "bearer_token"),
    ('curl -H "authorization: Basic {}"', "YWxpY2U6d29uZGVybGFuZDE=", "basic_auth"),
    (
        "https://hooks.slack.com/services/{}",
        "T0" + make(ALNUM, 8) + "/B0" + make(ALNUM, 8) + "/" + make(ALNUM, 24),
        "webhook",
    ),
    ("https://discord.com/api/webhooks/{}", make("123456789", 18) + "/" + make(ALNUM, 68), "webhook"),
    ("https://{}@o1.ingest.sentry.io/2", make(HEX, 32), "sentry_key"),
    ("blob.core.windows.net/c?sv=2024&sig={}", make(ALNUM, 43) + "%3D", "azure_signature"),
]

NAMES: list[tuple[str, str]] = [
    ("Author: Ann Lee <{}>", "ann.lee@logilab.fr"),
    ('{{"email": "{}"}}', "ann+x@mail.company.co.uk"),
    ("x\\n{}\\n", "ann@163.com"),
    ("\\u003c{}\\u003e", "ann@kernel.org"),
    ("12+{}", "ann@users.noreply.github.com"),
]

HOMES: list[tuple[str, str]] = [
    ("cat /home/{}/a.py", "annlee"),
    ('"/Users/{}/work"', "ann.lee"),
    ("cwd=/home/{}", "annlee"),
    ("file:///Users/{}/x", "annlee"),
    ("/mnt/c/Users/{}/x", "annlee"),
    ("C:\\Users\\{}\\x", "annlee"),
    ("C:\\\\Users\\\\{}\\\\x", "annlee"),
    ("C:\\Users\\{}\\x", "Ann Lee"),
    ("\\n/home/{}/x", "annlee"),
    ("~/.claude/projects/-Users-{}-work/x.jsonl", "annlee"),
    ("-home-{}-work", "annlee"),
    ("%2FUsers%2F{}%2Fx", "annlee"),
]

HARMLESS: list[str] = [
    "0f3c9a1e-77b2-4d51-9c1e-2b7f60a4d8e3",
    "commit " + make(HEX, 40),
    '"integrity": "sha512-' + make(ALNUM + "+/", 86) + '=="',
    "sha256:" + make(HEX, 64),
    "--hash=sha256:" + make(HEX, 64),
    "data:image/png;base64," + make(ALNUM + "+/", 5000),
    "AKIAIOSFODNN7" + "EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "OPENAI_API_KEY=your-api-key-here-please",
    "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "ghp_" + "x" * 36,
    "api_key=${OPENAI_API_KEY_FOR_TESTS_2}",
    'api_key = os.environ["OPENAI_API_KEY"]',
    "apiKey: process.env.ANTHROPIC_API_KEY1,",
    "token = get_token_from_store2(request)",
    "password = self.config.password1",
    "password: string;",
    '"password": "<password>"',
    '"password": {"type": "string"}',
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "https://user:password@host/x",
    "postgres://postgres:postgres@localhost/db",
    "https://user:${PASS}@host/x",
    "next_page_token=CAUQAA1234abcd5678efgh",
    "max_tokens=16384000000000000",
    "pad_token_id: 50256",
    '"token_type": "access_0f3c9a1e77b24d51"',
    'primary_key = "0f3c9a1e77b24d519c1e"',
    "sk-toggleable__content-arrow-of-2-parts",
    "task-force-of-many-people-in-2026-and-on",
    "git@github.com:owner/repo.git",
    "npm i lodash@4.17.21 @types/node@20.1.0",
    "logo@2x.png",
    "noreply@anthropic.com",
    "ann@example.com",
    "x\\n@app.route('/')",
    "@pytest.mark.parametrize",
    "a@b.T",
    "/home/user/x /home/ubuntu/x /Users/Shared/x /home/runner/work",
    "src/home/index.ts",
    "https://site.io/home/dashboard",
    "C:\\Users\\Public\\x",
    "class nav-home-button",
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----\n" + PEM_BODY + "\n-----END CERTIFICATE-----",
    "version 1.2.3.4 at 10.0.0.1:8080",
]
