"""Keys that their provider's prefix gives away.

Source: the providers' documents, checked against the public rules of gitleaks (MIT), none copied.
"""

from __future__ import annotations

import re

from tracemill.redact.rule import BASE64_BOUNDARY, BOUNDARY, UUID, A, H, Rule, W
from tracemill.redact.rule import build_prefix_rule as _prefix
from tracemill.redact.shapes import is_key

#: What a cluster calls its pods: ``sk-learn-worker-7f9c6d5b8-abcde``; keys of OpenAI have capitals between dashes.
_DASHED_NAME = re.compile(r"sk-(?:[a-z0-9]{1,24}-){2,}[a-z0-9._]{1,40}")


def _accept_openai(match: re.Match[str]) -> bool:
    return is_key(match[0], len("sk-")) and not _DASHED_NAME.fullmatch(match[0])


_MODELS: tuple[Rule, ...] = (
    _prefix("anthropic_key", "sk-ant-", rf"{W}{{16,1000}}"),
    _prefix("openrouter_key", "sk-or-", rf"{W}{{20,1000}}"),
    _prefix("langfuse_key", "sk-lf-", rf"{H}{{8}}-{W}{{20,1000}}"),
    Rule("openai_key", ("sk-",), rf"{BOUNDARY}sk-(?!ant-|or-|lf-){W}{{20,1000}}", _accept_openai),
    _prefix("elevenlabs_key", "sk_", rf"{H}{{40,1000}}"),
    _prefix("nvidia_key", "nvapi-", rf"{W}{{20,1000}}"),
    _prefix("groq_key", "gsk_", rf"{A}{{32,1000}}"),
    _prefix("replicate_key", "r8_", rf"{A}{{30,1000}}"),
    _prefix("perplexity_key", "pplx-", rf"{A}{{32,1000}}"),
    _prefix("xai_key", "xai-", rf"{W}{{40,1000}}"),
    _prefix("huggingface_token", "hf_ api_org_", rf"{A}{{30,1000}}"),
    _prefix("together_key", "tgp_v1_", rf"{W}{{30,1000}}"),
    _prefix("fireworks_key", "fw_", rf"{A}{{20,1000}}"),
    _prefix("cerebras_key", "csk-", rf"{A}{{30,1000}}"),
    _prefix("tavily_key", "tvly-", rf"{W}{{20,1000}}"),
    _prefix("firecrawl_key", "fc-", rf"{H}{{32}}"),
    _prefix("jina_key", "jina_", rf"{W}{{40,1000}}"),
    _prefix("pinecone_key", "pcsk_", rf"{W}{{40,1000}}"),
    _prefix("langsmith_key", "lsv2_pt_ lsv2_sk_", rf"{A}{{32}}(?:_{A}+)?"),
    _prefix("langsmith_key", "ls__", rf"{A}{{32,64}}"),
    _prefix("e2b_key", "e2b_", rf"{H}{{40}}"),
    _prefix("wandb_key", "wandb_v1_", rf"{W}{{40,1000}}"),
    _prefix("voyage_key", "pa-", rf"{W}{{43}}(?!{W})"),
    _prefix("modal_token", "as-", rf"{A}{{22}}(?!{W})"),
    _prefix("apify_token", "apify_api_", rf"{A}{{30,1000}}"),
    _prefix("runpod_key", "rpa_", rf"{A}{{36,60}}(?!{W})"),
    _prefix("kaggle_token", "KGAT_", rf"{H}{{32}}(?!{A})"),
    _prefix("anyscale_key", "esecret_", rf"{A}{{24,64}}"),
    _prefix("cursor_key", "crsr_", rf"{H}{{64}}"),
    _prefix("browserbase_key", "bb_live_", rf"{W}{{24,64}}"),
    _prefix("context7_key", "ctx7sk-", rf"{W}{{20,1000}}"),
    _prefix("llamacloud_key", "llx-", rf"{A}{{40,64}}(?!{W})"),
    _prefix("coze_token", "pat_ sat_", rf"{A}{{64}}(?!{W})"),
    _prefix("n8n_key", "n8n_api_", rf"{H}{{40,1000}}"),
    _prefix("cartesia_key", "sk_car_", rf"{A}{{20,64}}(?!{W})"),
)  # fmt: skip

_CLOUDS: tuple[Rule, ...] = (
    _prefix("google_api_key", "AIza", rf"{W}{{33,1000}}", BASE64_BOUNDARY),
    _prefix("google_oauth_token", "ya29.", r"[A-Za-z0-9._-]{20,2000}"),
    _prefix("google_oauth_token", "1//0", rf"{W}{{40,1000}}"),
    _prefix("google_oauth_code", "4/0A 4%2F0A", rf"{W}{{50,200}}", BASE64_BOUNDARY),
    _prefix("google_api_key", "AQ.Ab", rf"{W}{{40,200}}", BASE64_BOUNDARY),
    _prefix("google_oauth_secret", "GOCSPX-", rf"{W}{{20,1000}}"),
    _prefix("aws_session_token", "IQoJb3JpZ2luX2Vj FwoGZXIvYXdzE FQoGZXIvYXdzE FQoDYXdzE AgoJb3JpZ2luX2Vj",
        r"[A-Za-z0-9+/%]{60,4000}={0,2}", BASE64_BOUNDARY),
    _prefix("aws_bedrock_key", "ABSK", r"[A-Za-z0-9+/]{100,1000}={0,2}", BASE64_BOUNDARY),
    _prefix("aws_bedrock_key", "bedrock-api-key-", r"[A-Za-z0-9+/_=-]{60,4000}"),
    _prefix("alibaba_key", "LTAI", rf"{A}{{16,24}}(?!{A})", BASE64_BOUNDARY),
    _prefix("tencent_key", "AKID", rf"{A}{{32}}(?!{A})", BASE64_BOUNDARY),
    _prefix("baidu_key", "bce-v3/ALTAK-", rf"{A}{{21}}/{H}{{40}}"),
    _prefix("backblaze_key", "K001 K002 K003 K004 K005", r"[A-Za-z0-9/+]{27}(?![A-Za-z0-9/+=])", BASE64_BOUNDARY),
    _prefix("yandex_key", "AQVN", rf"{W}{{35,38}}(?!{W})", BASE64_BOUNDARY),
    _prefix("yandex_key", "t1.9eu y0_Ag", r"[A-Za-z0-9_.=-]{40,1000}"),
    _prefix("digitalocean_token", "dop_v1_ doo_v1_ dor_v1_", rf"{H}{{40,1000}}"),
    _prefix("heroku_key", "HRKU-", rf"{W}{{30,1000}}"),
    _prefix("netlify_token", "nfp_ nfc_ nfo_ nfu_ nfb_", rf"{A}{{36,1000}}"),
    _prefix("render_key", "rnd_", rf"{A}{{24,1000}}"),
    _prefix("vercel_token", "vcp_ vci_ vca_ vcr_ vck_ vercel_blob_rw_", rf"{W}{{24,1000}}"),
    _prefix("fly_token", "fm2_ fm1r_ fm1a_ fo1_",
        r"[A-Za-z0-9+/_-]{40,4000}={0,2}(?:,fm\d[a-z]?_[A-Za-z0-9+/_-]{40,4000}={0,2}){0,8}"),
    _prefix("cloudflare_token", "cfut_ cfat_ cfk_", rf"{W}{{40,1000}}"),
    _prefix("cloudflare_token", "v1.0-", rf"{H}{{24}}-{H}{{140,150}}"),
    _prefix("neon_key", "napi_", rf"{A}{{40,1000}}"),
    _prefix("neon_key", "npg_", rf"{A}{{12,64}}(?!{A})"),
    _prefix("databricks_token", "dapi", rf"{H}{{32}}(?:-\d)?(?!{A})", BASE64_BOUNDARY, f"{H}{{32}}"),
    _prefix("supabase_key", "sbp_ sb_secret_", rf"{W}{{30,1000}}"),
    _prefix("planetscale_key", "pscale_tkn_ pscale_pw_ pscale_oauth_", rf"{W}{{30,1000}}"),
    _prefix("vault_token", "hvs. hvb. hvr.", rf"{W}{{20,1000}}"),
    _prefix("openshift_token", "sha256~", rf"{W}{{43}}(?!{W})"),
    _prefix(
        "doppler_token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", rf"(?:[a-z0-9_-]{{2,35}}\.)?{A}{{40,1000}}"
    ),
    _prefix("pulumi_token", "pul-", rf"{H}{{40}}(?!{A})"),
    _prefix("tailscale_key", "tskey-", rf"(?:[a-z]{{2,10}}-)?{A}{{8,20}}-{A}{{20,1000}}"),
    _prefix("onepassword_token", "ops_", r"eyJ[A-Za-z0-9+/=_-]{100,1000}"),
    _prefix("onepassword_token", "A3-", r"[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}"),
    _prefix("netbird_token", "nbp_", rf"{A}{{36}}(?!{W})"),
    _prefix("xata_key", "xau_", rf"{A}{{30,64}}(?!{W})"),
    _prefix("wallet_key", "xprv9 xprv8 xprvA tprv8 yprvA zprvA", rf"{A}{{100,112}}(?!{W})", BASE64_BOUNDARY),
    _prefix("age_key", "AGE-SECRET-KEY-", r"1[A-Z0-9]{58}"),
)  # fmt: skip

_CODE: tuple[Rule, ...] = (
    _prefix("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{A}{{30,1000}}"),
    _prefix("github_token", "github_pat_", r"[A-Za-z0-9_]{36,1000}"),
    _prefix("gitlab_token", "glpat- glptt- gldt- glrt- glcbt- glsoat- glft- glimt- glagent- gloas- glffct- glwt-"
        " glrtr-", r"[A-Za-z0-9_.-]{20,1000}"),
    _prefix("gitlab_token", "GR1348941", rf"{W}{{20,40}}(?!{W})"),
    _prefix("atlassian_token", "ATATT3 ATCTT3", r"[A-Za-z0-9_=-]{60,1000}", BASE64_BOUNDARY),
    _prefix("atlassian_token", "ATBB", rf"{A}{{32}}(?!{A})", BASE64_BOUNDARY),
    _prefix("npm_token", "npm_", rf"{A}{{36,1000}}"),
    _prefix("pypi_token", "pypi-", rf"AgE{W}{{40,1000}}"),
    _prefix("rubygems_key", "rubygems_", rf"{H}{{48}}"),
    _prefix("crates_token", "cio", rf"{A}{{32}}(?!{W})", ahead=f"{A}{{32}}"),
    _prefix("nuget_key", "oy2", rf"[a-z0-9]{{43}}(?!{A})", BASE64_BOUNDARY, "[a-z0-9]{43}"),
    _prefix("docker_token", "dckr_pat_ dckr_oat_", rf"{W}{{20,1000}}"),
    _prefix("artifactory_key", "AKCp", rf"{A}{{60,1000}}", BASE64_BOUNDARY),
    _prefix("artifactory_key", "cmVmdGtuO", rf"{A}{{50,1000}}", BASE64_BOUNDARY),
    _prefix("circleci_token", "CCIPAT_ CCIPRJ_", rf"{A}{{20,24}}_{H}{{40}}"),
    _prefix("buildkite_token", "bkua_ bkct_ bkaj_", rf"{A}{{30,1000}}"),
    _prefix("sonar_token", "squ_ sqp_ sqa_", rf"{H}{{40}}(?!{A})"),
    _prefix("snyk_token", "snyk_uat. snyk_sat.", r"[A-Za-z0-9_.-]{40,1000}"),
    _prefix("sourcegraph_token", "sgp_", rf"(?:(?:{H}{{16}}|local)_)?{H}{{40}}(?!{A})"),
    _prefix("deno_token", "ddp_ ddo_ ddw_", rf"{A}{{36}}(?!{A})"),
    _prefix("prefect_key", "pnu_ pnb_", rf"{A}{{36}}(?!{A})"),
    _prefix("clojars_token", "CLOJARS_", rf"{H}{{60}}"),
    _prefix("infracost_key", "ico-", rf"{A}{{32}}(?!{W})"),
    _prefix("scalingo_token", "tk-us-", rf"{W}{{48}}(?!{W})"),
    _prefix("jetbrains_token", "perm: perm-",
        r"[A-Za-z0-9+/]{4,80}={0,2}\.[A-Za-z0-9+/]{2,80}={0,2}\.[A-Za-z0-9]{20,60}"),
    _prefix("dbt_token", "dbtc_ dbtu_ dbts_", rf"{W}{{30,64}}"),
    _prefix("hex_token", "hxtp_ hxtw_", rf"{H}{{60,100}}"),
    _prefix("socket_token", "sktsec_", rf"{W}{{30,100}}"),
    _prefix("harness_token", "pat.", rf"{W}{{22}}\.{H}{{24}}\.{A}{{20}}(?!{A})"),
    _prefix("inngest_key", "signkey-prod-", rf"{H}{{64}}"),
    _prefix("trigger_key", "tr_prod_ tr_stg_", rf"{A}{{20,40}}(?!{W})"),
    _prefix("octopus_key", "API-", r"[A-Z0-9]{26,32}(?![A-Z0-9])"),
)  # fmt: skip

_WORK: tuple[Rule, ...] = (
    # messengers and mail
    _prefix("slack_token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxc- xoxd- xapp-", r"[A-Za-z0-9%._-]{16,1000}"),
    _prefix("discord_token", "mfa.", rf"{W}{{80,90}}(?!{W})"),
    _prefix("sendgrid_key", "SG.", rf"{W}{{16,32}}\.{W}{{16,64}}"),
    _prefix("mailgun_key", "key-", rf"[0-9a-f]{{32}}(?!{A})"),
    _prefix("resend_key", "re_", rf"{A}{{8}}_{A}{{20,1000}}"),
    _prefix("brevo_key", "xkeysib- xsmtpsib-", rf"{H}{{64}}-{A}{{16}}"),
    _prefix("intercom_token", "dG9rOj", r"[A-Za-z0-9+/]{30,200}={0,2}", BASE64_BOUNDARY),
    _prefix("meta_token", "EAA", rf"{A}{{90,1000}}(?![A-Za-z0-9+/=])", BASE64_BOUNDARY, f"{A}{{90}}"),
    _prefix("meta_token", "IGQV", rf"[JW]{W}{{80,1000}}"),
    _prefix("meta_token", "IGAA", rf"{A}{{100,1000}}(?![A-Za-z0-9+/=])", BASE64_BOUNDARY, f"{A}{{100}}"),
    _prefix("matrix_token", "syt_", rf"{A}{{2,120}}_[A-Za-z]{{20}}_{A}{{6}}(?!{W})"),
    _prefix("twitch_token", "oauth:", rf"[a-z0-9]{{30}}(?!{W})"),
    _prefix("linkedin_secret", "WPL_AP1.", r"[A-Za-z0-9_.+/-]{16,40}={0,2}"),
    _prefix("onesignal_key", "os_v2_app_ os_v2_org_", rf"{A}{{60,120}}"),
    _prefix("pinterest_token", "pina_", rf"{A}{{40,200}}"),
    # money
    _prefix("stripe_key", "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_live_ sk_org_test_", rf"{A}{{16,1000}}"),
    _prefix("stripe_key", "whsec_", r"[A-Za-z0-9+/]{24,1000}=?"),
    _prefix("shopify_token", "shpat_ shpss_ shpca_ shppa_ shptka_ shpua_ prtapi_", rf"{H}{{32}}"),
    _prefix("square_token", "sq0atp- sq0csp-", rf"{W}{{20,1000}}"),
    _prefix("square_token", "EAAA", rf"{W}{{56,1000}}", BASE64_BOUNDARY),
    _prefix("braintree_token", "access_token$production$ access_token$sandbox$", r"[0-9a-z]{16}\$[0-9a-f]{32}"),
    _prefix("shippo_token", "shippo_live_ shippo_test_", rf"{H}{{40}}"),
    _prefix("easypost_key", "EZAK EZTK", rf"{A}{{54}}(?!{A})", BASE64_BOUNDARY),
    _prefix("duffel_token", "duffel_live_ duffel_test_", rf"{W}{{40,60}}"),
    _prefix("plaid_token", "access-production- access-sandbox- access-development-", UUID),
    _prefix("flutterwave_key", "FLWSECK- FLWSECK_TEST-", rf"{H}{{12,32}}-X"),
    _prefix("mercadopago_token", "APP_USR-", rf"\d{{12,20}}-\d{{6}}-{H}{{32}}-\d{{4,14}}"),
    _prefix("polar_token", "polar_oat_", rf"{A}{{30,60}}"),
    _prefix("paddle_key", "pdl_live_apikey_ pdl_sdbx_apikey_", r"[A-Za-z0-9_]{30,200}"),
    # work
    _prefix("linear_key", "lin_api_ lin_oauth_", rf"{A}{{32,1000}}"),
    _prefix("notion_key", "secret_ ntn_", rf"{A}{{40,1000}}"),
    _prefix("postman_key", "PMAK-", rf"{H}{{24}}-{H}{{34}}"),
    _prefix("figma_token", "figd_ figu_ figo_", rf"{W}{{36,1000}}"),
    _prefix("contentful_token", "CFPAT-", rf"{W}{{40,60}}"),
    _prefix("hubspot_token", "pat-na1- pat-na2- pat-na3- pat-eu1- pat-ap1-", UUID),
    _prefix("typeform_token", "tfp_", r"[A-Za-z0-9_.=-]{40,80}"),
    _prefix("clickup_token", "pk_", r"\d{5,10}_[A-Z0-9]{32}(?![A-Za-z0-9])"),
    _prefix("dropbox_token", "sl.", r"(?:u\.)?[A-Za-z0-9_-]{60,2000}"),
    _prefix("mapbox_token", "sk.eyJ tk.eyJ", rf"{W}{{20,500}}\.{W}{{16,100}}"),
    Rule("airtable_token", ("pat",), rf"{BOUNDARY}pat{A}{{14}}\.[0-9a-f]{{64}}(?!{A})", ahead=rf"{A}{{14}}\.{H}{{64}}",
        gate=rf"pat{A}{{14}}\.[0-9a-f]{{64}}"),
    _prefix("adafruit_key", "aio_", rf"{A}{{28}}(?!{A})"),
    _prefix("readme_key", "rdme_", r"[a-z0-9]{60,100}(?![a-z0-9])"),
    _prefix("mailersend_token", "mlsn.", rf"{H}{{64}}"),
    _prefix("frameio_token", "fio-u-", rf"{W}{{64}}"),
    _prefix("canva_secret", "cnvca", rf"{W}{{40,64}}"),
    # watching
    _prefix("rootly_token", "rootly_", rf"{H}{{64}}"),
    _prefix("incident_key", "inc_", rf"{H}{{64}}"),
    _prefix("honeybadger_key", "hbp_", rf"{A}{{36}}(?!{W})"),
    _prefix("axiom_token", "xaat- xapt-", UUID),
    _prefix("elastic_key", "essu_", r"[A-Za-z0-9+/]{40,200}={0,2}"),
    _prefix("mongodb_secret", "mdb_sa_sk_", rf"{W}{{32,64}}"),
    _prefix("posthog_key", "phx_ phs_", rf"{A}{{32,1000}}"),
    _prefix("grafana_token", "glsa_ glc_", r"[A-Za-z0-9_+/=-]{32,1000}"),
    _prefix("grafana_token", "eyJrIjoi", r"[A-Za-z0-9+/]{60,400}={0,2}(?![A-Za-z0-9.])"),
    _prefix("newrelic_key", "NRAK- NRAA- NRII- NRJS- NRSP- NRIQ-", rf"{W}{{19,1000}}"),
    _prefix("sentry_token", "sntrys_ sntryu_", r"[A-Za-z0-9_+/=-]{40,1000}"),
    _prefix("honeycomb_key", "hcaik_ hcbik_ hcamk_ hcbmk_ hcxik_ hcxmk_", r"[a-z0-9]{40,64}"),
    _prefix("dynatrace_token", "dt0c01. dt0s01. dt0s02. dt0s16.", r"[A-Z0-9]{8,24}\.[A-Z0-9]{64}"),
    _prefix("launchdarkly_key", "sdk-", UUID),
    _prefix("statsig_key", "secret-", rf"{A}{{40,60}}(?!{W})"),
    _prefix("session_cookie", "CfDJ8", rf"{W}{{80,8000}}", BASE64_BOUNDARY),  # ASP.NET Core's, and what it protects
    _prefix("pubnub_key", "sec-c-", rf"{W}{{36,60}}"),
)  # fmt: skip

PROVIDERS: tuple[Rule, ...] = (*_MODELS, *_CLOUDS, *_CODE, *_WORK)
