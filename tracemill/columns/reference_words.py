"""Words that look like references but name nothing of a project: known to everyone, so never an invention."""

from __future__ import annotations

import sys

#: Commands that everyone's shell has; alone, or with flags, they say nothing about a project.
SHELL_WORDS = frozenset(
    """
    alias apt apt-get awk bash brew cat cd chmod chown clear cmd cp curl cut date dd df diff dig dirname docker du echo
    env exit export false fd file find fish git go grep gunzip gzip head history hostname id java jq kill less ln ls
    make man mkdir more mv nano nl node npm npx open pgrep ping pip pip3 pkill ps pwd python python3 rg rm rmdir rsync
    ruby scp sed seq sh sleep sort source ssh stat sudo tail tar tee test time touch tr tree true type ulimit uname uniq
    unzip uv uvx vi vim wc wget which whoami xargs yarn pnpm bun cargo zip zsh cls dir powershell pwsh poetry conda
    kubectl terraform gh
    """.split()  # noqa: SIM905
)

#: Two words that everyone knows: ``git status`` is no claim about a project.
KNOWN_COMMANDS = frozenset(
    f"{tool} {word}"
    for tools, words in (
        (
            "git",
            "add bisect blame branch checkout cherry-pick clone commit diff fetch init log merge mv pull push rebase",
        ),
        ("git", "remote reset restore revert rm show stash status switch tag"),
        ("npm pnpm yarn bun", "install ci run test start init i add"),
        (
            "pip pip3 uv poetry cargo go brew apt apt-get conda docker",
            "install add run build test sync get update init mod",
        ),
        ("python python3", "-m"),
        ("uv", "pip"),
        ("docker", "compose ps logs"),
        ("gh", "pr issue"),
    )
    for tool in tools.split()
    for word in words.split()
)

#: Commands after which a word is a sub-command, and how many such words name the act.
SUBCOMMAND_WORDS = {
    "git": 2, "npm": 3, "pnpm": 3, "yarn": 3, "bun": 3, "npx": 2, "uvx": 2, "pip": 2, "pip3": 2, "uv": 3, "poetry": 3,
    "cargo": 2, "go": 2, "docker": 3, "docker-compose": 2, "kubectl": 2, "make": 2, "just": 2, "terraform": 2, "gh": 3,
    "brew": 2, "apt": 2, "apt-get": 2, "dotnet": 2, "mix": 2, "rails": 2, "bundle": 3, "conda": 2, "deno": 2,
    "systemctl": 2, "helm": 2, "aws": 3, "gcloud": 3, "az": 3, "nx": 2, "turbo": 2, "mvn": 2, "gradle": 2, "rustup": 2,
    "data-designer": 2, "pytest": 1, "ruff": 2, "pyright": 1, "mypy": 1, "eslint": 1, "tsc": 1, "jest": 1, "vitest": 2,
    "prettier": 1, "tox": 1, "nox": 1, "black": 1, "pre-commit": 2, "flask": 2, "uvicorn": 1, "gunicorn": 1, "psql": 1,
    "redis-cli": 1, "sqlite3": 1, "ollama": 2, "claude": 1, "codex": 1, "hermes": 2, "pi": 1, "ffmpeg": 1, "cmake": 1,
    "swift": 2, "xcodebuild": 1, "ctest": 1, "phpunit": 1, "composer": 2, "php": 1, "rspec": 1, "java": 1, "javac": 1,
}  # fmt: skip

#: Keywords, types, literals and verbs of programming that stand in backticks in any answer.
CODE_WORDS = frozenset(
    """
    abstract and any args array as assert async await bool boolean break bytes case catch char class const constructor
    continue debug def default del delete dict do double elif else enum error except export extends extern false final
    finally float for foreach from func function generator get global goto if implements import in include info input
    instanceof int integer interface is iterable json key kwargs lambda let list local long loop main map match module
    mut namespace new nil none nonlocal not null number object of optional or output package pass patch post print
    private protected pub public put raise record require return self set short static str string struct super switch
    sync table text then this throw throws trait true try tuple type typeof undefined union unknown unsigned use value
    var void warn warning where while with write yaml yield xml html css sql http https api cli url uri id ids name
    names path paths file files data config test tests src lib bin docs build dist main master head origin latest stable
    todo done open closed yes no on off ok low medium high read-only utf-8 utf8 ascii stdin stdout stderr localhost
    """.split()  # noqa: SIM905
)

#: Names in CamelCase, or with a dot, that are products and not code of a project.
PRODUCT_NAMES = frozenset(
    """
    GitHub GitLab BitBucket JavaScript TypeScript PostgreSQL MySQL SQLite MongoDB DynamoDB YouTube LinkedIn PowerShell
    WebSocket WebSockets GraphQL NumPy SciPy PyTorch TensorFlow FastAPI OpenAI ChatGPT DeepSeek DevOps VSCode IntelliJ
    PyCharm WordPress CoffeeScript OpenSSL OpenAPI OAuth OAuth2 McDonald StackOverflow HuggingFace PyPI LaTeX BibTeX
    Highlight.js Chart.js PostCSS Node.js Next.js Vue.js React.js Express.js Nuxt.js Three.js D3.js Ember.js Nest.js
    Deno.js Socket.io macOS iOS iPadOS watchOS iPhone iPad eBay jQuery CloudFlare CloudFormation CloudWatch LangChain
    LlamaIndex MacBook OpenStack NoSQL ASP.NET README CHANGELOG LICENSE TODO DockerHub BigQuery JetBrains AirFlow
    RabbitMQ ElasticSearch QuickStart
    """.split()  # noqa: SIM905
)

#: Top-level modules that come with a language.
STANDARD_MODULES = frozenset(sys.stdlib_module_names) | {
    "fs", "path", "os", "http", "https", "url", "util", "crypto", "events", "stream", "child_process", "assert",
    "buffer", "std", "fmt", "strings", "errors", "react",
}  # fmt: skip

#: Endings of file names. A bare ``name.ext`` in prose counts as a path only with one of these.
FILE_ENDINGS = (
    "py|pyi|js|jsx|mjs|cjs|ts|tsx|json|jsonl|ya?ml|toml|md|mdx|rst|txt|rs|go|java|kt|kts|c|h|cc|cpp|hpp|cs|rb|php|sh"
    "|bash|zsh|ps1|sql|html?|css|scss|less|vue|svelte|ini|cfg|conf|lock|xml|csv|tsv|ipynb|env|gradle|swift|proto|tf|log|pdf"
    "|png|jpe?g|svg|gif|vtt|docx?|xlsx?|pptx?|db|sqlite|parquet|tpl|j2|jinja2?|dockerfile|mk|cmake|lua|ex|exs|dart|r|jl"
    "|sock|service|pem|crt|zip|tar\\.gz|tgz|gz|whl|patch|diff|snap|plist"
)
