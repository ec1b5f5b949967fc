"""Passwords in the options of commands: ``mysql -p…``, ``sshpass -p …``, ``redis-cli -a …``, ``echo … | sudo -S``.

Source: the manual pages of the commands.
"""

from __future__ import annotations

from tracemill.redact.phrase import QUOTED, ROOM, VALUE, Phrase, accept_option, accept_word
from tracemill.redact.shapes import is_key

_LOGIN = "docker|podman|buildah|skopeo|nerdctl|oras|crane|helm registry|oc|az|cf"
_READS_STDIN = (
    r"sudo[ \t]{1,2}(?:-[a-z]{1,4}[ \t]{1,2}){0,2}-[a-z]{0,4}S|[^\n|]{1,200}?--password-stdin|passwd[ \t]{1,2}--stdin"
    r"|kinit"
)

COMMANDS: tuple[Phrase, ...] = (
    Phrase(
        "mysql -p…",
        "password",
        r"(?:mysql|maria|mycli|7z|rar[ \t])[^\n|;]{0,}[ \t]-p[^\s]",
        rf"(?:mysql(?:dump|admin|import|check|show|sh|pump)?|mariadb(?:-dump|-admin)?|mycli|7za?|rar){ROOM}-p{VALUE}",
        accept_option,
    ),
    Phrase(
        "login -p",
        "password",
        r"(?:sshpass|login|twine|mongo|cqlsh|influx|vncviewer)[^\n|;]{0,}[ \t]-p[ \t=]",
        rf"(?:sshpass|(?:{_LOGIN}) login|twine upload|mongo(?:sh|dump|restore)?|cqlsh|influx|vncviewer)"
        rf"{ROOM}-p[ \t=]{{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase("sshpass -p…", "password", r"sshpass[ \t]", rf"sshpass[ \t]{{1,2}}-p{VALUE}", accept_option),
    Phrase(
        "redis -a",
        "password",
        r"(?:redis|valkey|keydb)-cli[^\n|;]{0,}[ \t]-a[ \t]",
        rf"(?:redis|valkey|keydb)-cli{ROOM}-a[ \t]{{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "zip -P",
        "password",
        r"(?:sqlcmd|bcp|tsql|isql|zip)[ \t][^\n|;]{0,}-p",
        rf"(?:sqlcmd|bcp|tsql|isql|zip){ROOM}(?-i:-P)[ \t]{{0,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "ldap -w",
        "password",
        r"ldap[^\n|;]{0,}[ \t]-w",
        rf"ldap(?:search|add|modify|delete|whoami|passwd){ROOM}-w[ \t]{{0,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "htpasswd -b",
        "password",
        r"htpasswd[ \t]{1,2}-[a-z]{0,}b",
        rf"htpasswd[ \t]{{1,2}}-[a-z]{{0,6}}b[a-z]{{0,6}}[ \t]{{1,2}}(?:[^\s|;]{{1,200}}[ \t]{{1,2}}){{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "openssl -pass",
        "password",
        r"openssl[^\n|;]{0,}[ \t]-[kp651a]",
        rf"openssl{ROOM}-(?:k|pass|passin|passout|passwd|6|5|1|apr1)[ \t]{{1,2}}(?:pass:)?{VALUE}",
        accept_option,
    ),
    Phrase(
        "add user",
        "password",
        r"(?:rabbitmqctl|net[ ]user)[ \t]",
        rf"(?:rabbitmqctl (?:add_user|change_password)|net user)[ \t]{{1,2}}[\w.-]{{1,60}}[ \t]{{1,2}}{VALUE}",
        accept_word,
    ),
    Phrase(
        "smb -U",
        "password",
        r"(?:smbclient|rpc)[^\n|;]{0,}-u[^\n]{0,}%",
        r"(?:smbclient|net rpc|rpcclient)[^\n|;]{0,200}?-U[ \t]{0,2}\\{0,8}[\"']?[\w.\\/-]{1,60}%([^\s\"'\\]{4,100})",
        accept_option,
    ),
    Phrase(
        "stdin",
        "password",
        r"(?:\|[ \t]{0,2}(?:sudo[ \t][^\n|]{0,}-[a-z]{0,}s|kinit)|--password-stdin|passwd[ \t]{1,2}--stdin)",
        rf"echo[ \t]{{1,2}}(?:-n[ \t]{{1,2}})?{VALUE}[ \t]{{0,2}}\|[ \t]{{0,2}}(?:{_READS_STDIN})",
        accept_option,
    ),
    Phrase(
        "chpasswd",
        "password",
        "chpasswd",
        r"(?<![\w.-])[\w.-]{1,60}:([^\s\"'\\|]{4,100})\\{0,8}[\"']?[ \t]{0,2}\|[ \t]{0,2}(?:sudo[ \t])?chpasswd",
        accept_option,
    ),
    Phrase(
        "secure string",
        "password",
        r"securestring[ \t]",
        rf"SecureString[ \t]{{1,3}}(?:-String[ \t]{{1,3}})?{QUOTED}",
        accept_option,
    ),
    Phrase(
        "wandb login",
        "wandb_key",
        r"wandb(?:\.login|[ \t]login)",
        r"wandb(?:\.login\(|[ \t]login)[^\n]{0,80}?([0-9a-f]{40})(?![0-9a-f])",
        is_key,
    ),
    Phrase("add mask", "secret", "::add-mask::", r"::add-mask::([^\s\"'`\\$]{6,400})", accept_option),
)
