"""Passwords in the options of commands: ``mysql -p…``, ``sshpass -p …``, ``redis-cli -a …``, ``echo … | sudo -S``.

Source: the manual pages of the commands.
"""

from __future__ import annotations

from tracemill.redact.phrase import (
    QUOTED,
    ROOM,
    VALUE,
    Phrase,
    accept_alone,
    accept_option,
    accept_piped,
    accept_shown,
    accept_variable,
    accept_word,
)
from tracemill.redact.shapes import is_key, is_uuid

_LOGIN = "docker|podman|buildah|skopeo|nerdctl|oras|crane|helm registry|oc|az|cf"
_READS_STDIN = (
    r"sudo[ \t]{1,2}(?:-[a-z]{1,4}[ \t]{1,2}){0,2}-[a-z]{0,4}S|[^\n|]{1,200}?--password-stdin|passwd[ \t]{1,2}--stdin"
    r"|kinit|(?:[\w.-]{1,24}[ \t]{1,2}){1,4}login(?![\w.])|[^\n|]{1,200}?--with-token|vault[ \t]login|su(?:[ \t]|$)"
)
_OPTIONS = r"(?:[ \t]{1,2}-[a-z0-9]{1,8})*?"
#: Commands that print a secret, and nothing else.
_SHOWS = (
    r"(?:secret|passw|token|credential|api-?key|private)[^\r\n]{0,300}?\|[ \t]{0,2}base64[ \t]{1,2}(?:-d|-D"
    r"|--decode)(?![\w-])"
    r"|get-secret-value[^\r\n]{1,300}?SecretString(?=[^\r\n]{0,60}text)"
    r"|ssm[ \t]get-parameter[^\r\n]{1,300}?--with-decryption(?=[^\r\n]{0,200}text)"
    r"|op[ \t]read[ \t]|(?:[$#][ \t]|&&[ \t])pass[ \t](?:show[ \t])?[\w/-]{3,80}|vault[ \t](?:kv[ \t]get"
    r"|read)[ \t][^\r\n]{0,100}?-field[= ]"
    r"|find-generic-password[ \t][^\r\n]{0,200}?-w|secrets[ \t]versions[ \t]access[ \t]|gh[ \t]auth[ \t]token"
    r"|print-(?:access|identity)-token"
    r"|cat[ \t]{1,2}[^\s;|]{0,100}/secrets/\S{0,60}|cat[ \t]{1,2}[^\s;|]{0,100}\.key(?=[\s\\])"
    r"|cat[ \t]{1,2}[^\s;|]{0,100}(?:password|passwd|_pass|token|secret"
    r"|api_?key)(?:\.txt)?(?=[\s\\])"
    r"|output[ \t]-raw[ \t]\S{0,60}(?:password|secret|token|key)|(?:printenv|echo)[ \t]{1,2}[\"']?\$?\{?\w{0,40}"
    r"(?:PASSWORD|SECRET|TOKEN|API_?KEY|_KEY|_PASS)\w{0,10}"
    r"|(?:openssl[ \t]rand|pwgen|mkpasswd|gopass[ \t]show|keyring[ \t]get|secret-tool[ \t]lookup|config:get"
    r"|doppler[ \t]secrets[ \t]get)[ \t]"
    r"|wg[ \t]genkey|account[ \t]keys[ \t]list[^\r\n]{0,100}tsv|bw[ \t]get[ \t]password"
    r"|keyvault[ \t]secret[ \t]show[^\r\n]{1,300}tsv"
)
_SHOWS_GATE = (
    r"base64[ \t]{1,2}-|get-secret-value|get-parameter|op[ \t]read[ \t]|[$#][ ]pass[ \t]|[ \t]-field[= ]"
    r"|generic-password"
    r"|versions[ \t]access|auth[ \t]token|-(?:access|identity)-token|output[ \t]-raw|openssl[ \t]rand|pwgen"
    r"|mkpasswd|gopass"
    r"|keyring[ \t]get|secret-tool|config:get|doppler|wg[ \t]genkey|keys[ \t]list|bw[ \t]get|keyvault[ ]secret[ ]show"
)
_SHOWS_NAMED = (
    r"cat[ \t]{1,}[^\s;|]{0,}(?:secret|pass|token|api_?key|\.key)[^\s;|]{0,}"
    r"|(?:printenv|echo)[ \t]{1,}[\"'${]{0,}\w{0,}(?:pass|secret|token|key)\w{0,}[}\"']{0,}"
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
        "tool -P",
        "password",
        r"(?:mosquitto_\w{3,}|ipmitool|plink|pscp|psftp)[ \t]",
        rf"(?:mosquitto_(?:pub|sub|rr)|ipmitool){ROOM}(?-i:-P)[ \t]{{0,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "tool -P",
        "password",
        "",
        rf"(?:plink|pscp|psftp)(?:\.exe)?{ROOM}-pw[ \t]{{1,2}}{VALUE}",
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
        "httpie -a",
        "password",
        r"[ \t]-(?:a|-auth)[ \t=]{1,2}[\"']?[\w.@+-]{1,}:[^\s]{4}",
        rf"(?<![\w/.-])(?:https?|xhs?){ROOM}(?:-a|--auth)[ \t=]{{1,2}}[\"']?[\w.@+-]{{1,64}}:"
        r"([^\s\"'`\\|;&<>(){}]{4,200})",
        accept_option,
    ),
    Phrase(
        "htpasswd -b",
        "password",
        r"htpasswd[ \t]{1,2}-[^\n|;]{0,}b",
        rf"htpasswd{_OPTIONS}[ \t]{{1,2}}-[a-z]{{0,6}}b[a-z]{{0,6}}{_OPTIONS}[ \t]{{1,2}}"
        rf"(?:[\w~./$][^\s|;]{{0,200}}[ \t]{{1,2}})"
        rf"(?:[\w@$][\w.@$-]{{0,60}}[ \t]{{1,2}})??(?![\w.@$-]{{1,60}}[ \t]{{1,2}}[^\s|>&;#]){VALUE}",
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
        "net use",
        "password",
        r"net[ \t]{1,}use[ \t][^\n]{0,}/u(?:ser)?:",
        rf"net[ \t]{{1,2}}use[ \t][^\r\n]{{0,200}}?/u(?:ser)?:[^\s]{{1,80}}[ \t]{{1,3}}(?!/){VALUE}",
        accept_option,
    ),
    Phrase(
        "net use",
        "password",
        "",
        rf"net[ \t]{{1,2}}use[ \t](?:[a-z*]:?[ \t]{{1,2}})?\\\\[^\s]{{1,200}}[ \t]{{1,2}}(?![/*]){VALUE}[ \t]{{1,2}}/u",
        accept_option,
    ),
    Phrase(
        "variable",
        "password",
        r"(?-i:PASS(?:WORD|WD|PHRASE)?|_PWD?)=[^\s\"'`<$]",
        r"(?:(?<![\w.?&-])|(?<=\\[nrt]))(?-i:(?!ALLOW_)[A-Z][A-Z0-9_]{0,60}(?<=[A-Z_])"
        r"(?:PASS|PASSWORD|PASSWD|PASSPHRASE|_PW|_PWD)|PASS(?:WORD|WD)?)="
        r"([^\s\"'`\\&;|,<>$({\[][^\s\"'`\\&;|,<>]{0,200}+(?:\\{1,4}[\"']"
        r"(?=[\w!@#%^*+-])[^\s\"'`\\&;|,<>]{1,200}+){0,4})"
        r"(?=[\s\"'\\;]|\Z)",
        accept_variable,
    ),
    Phrase(
        "here string",
        "password",
        r"<<<[ \t]{0,}[\\\"'\w]",
        rf"(?:sudo[ \t]|--password-stdin|--with-token|login|kinit)[^\n<]{{0,200}}<<<[ \t]{{0,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "expect",
        "password",
        r"assword[^\w\n]{0,}(?:\n|\\n|;|\{)[ \t]{0,}[\w.]{0,}send",
        r"assword[^\w\r\n]{0,20}(?:(?:\r?\n|\\{1,8}n)[ \t]{0,20}[\w.]{0,20}|;[ \t]{0,4}|\{[ \t]{0,4})send"
        r"(?:line)?[ \t(]{1,3}(?:--[ \t])?"
        r"\\{0,8}[\"']([^\"'\\\r\n]{4,100})(?:\\{1,8}[rn])?\\{0,8}[\"']",
        accept_option,
    ),
    Phrase(
        "shown secret",
        "secret",
        rf"(?:(?:{_SHOWS_GATE})[^\n]{{0,}}|{_SHOWS_NAMED})(?:\n|\\n)[^\s\"'`\\$#|<>{{}}()\[\]]{{6}}",
        r"[$#%](?:(?<=[\n\"'~\]\w/).].)|(?<=\A.))[ \t](?:[^\\\r\n]|\\(?!r?\\?n)){4,600}+(?:\r?\n|"
        r"(?:\\{1,8}r)?\\{1,8}n){1,2}"
        r"([^\s\"'`\\$#|<>{}()\[\]]{6,400}+)(?=[ \t]{0,4}(?:[\r\n]|\\{1,8}[nr]|\\{0,8}[\"'`]|[%$#]|\Z))",
        accept_shown,
        _SHOWS,
    ),
    Phrase(
        "shown secret",
        "secret",
        "",
        r"\n(?:gcloud|kubectl|oc|az|aws|vault|op|gh|doppler|heroku|terraform|printenv|echo|pass"
        r"|security|bw)[ \t](?:[^\\\r\n]|\\(?!r?\\?n)){4,600}+(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)"
        r"([^\s\"'`\\$#|<>{}()\[\]][^\s\"'`\\|<>{}()\[\]]{5,400}+)(?=[ \t]{0,4}(?:[\r\n]|\\{1,8}[nr]|\\{0,8}"
        r"[\"'`]|\Z))",
        accept_alone,
        _SHOWS,
        is_line=True,
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
        r"(?:\|[ \t]{0,2}(?:sudo[ \t][^\n|]{0,}-[a-z]{0,}s|kinit)|(?:echo|printf)[^\n]{0,}\|[^\n]{0,}[ \t](?:login|su)"
        r"(?![\w.])|--password-stdin|--with-token|passwd[ \t]{1,2}--stdin)",
        rf"(?-i:echo)[ \t]{{1,2}}(?:-n[ \t]{{1,2}})?{VALUE}[ \t]{{0,2}}\|[ \t]{{0,2}}(?:{_READS_STDIN})",
        accept_piped,
    ),
    Phrase(
        "stdin",
        "password",
        "",
        rf"(?-i:printf)[ \t]{{1,2}}(?:[\"']%s(?:\\{{1,4}}n)?[\"'][ \t]{{1,2}})?{VALUE}[ \t]{{0,2}}\|[ \t]{{0,2}}"
        rf"(?:{_READS_STDIN})",
        accept_piped,
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
    Phrase(
        "gh secret",
        "secret",
        r"gh[ \t]{1,}secret[ \t]{1,}set[ \t][^\n|;]{0,}[ \t](?:-b|--body)",
        rf"gh[ \t]{{1,2}}secret[ \t]{{1,2}}set{ROOM}(?:-b|--body)[ \t=]{{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "remote desktop",
        "password",
        r"(?:freerdp|mstsc|rdesktop|remmina)[^\n|;]{0,}[ \t][/-]p[: ]",
        rf"(?:[xwd\w]freerdp\d?|rdesktop){ROOM}(?:/p:|-p[ \t]){VALUE}",
        accept_option,
    ),
    Phrase(
        "store of secrets",
        "secret",
        r"put-parameter[^\n]{0,}securestring|keyvault[ ]secret[ ]set|put-secret-value|create-secret[ ]",
        rf"(?:put-parameter(?=[^\n|;]{{0,400}}securestring)|keyvault[ ]secret[ ]set|(?:put-secret-value|create-secret)"
        rf"(?=[ ])){ROOM}--(?:value|secret-string)[ \t=]{{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "alias of a store",
        "secret",
        r"(?:mc|mcli)[ ](?:alias[ ]set|config[ ]host[ ]add)[ ]",
        r"(?<!\w)(?:mc|mcli)[ ](?:alias[ ]set|config[ ]host[ ]add)[ ]{1,2}[^\s]{1,80}[ ]{1,2}[^\s]{4,200}[ ]{1,2}"
        r"[^\s]{3,80}"
        rf"[ ]{{1,2}}{VALUE}",
        accept_option,
    ),
    Phrase(
        "codecov -t",
        "token",
        r"codecov[^\n|;]{0,}[ ]-t[ =]",
        rf"codecov{ROOM}-t[ =]([0-9a-f]{{8}}-[0-9a-f-]{{27}})(?![\w-])",
        is_uuid,
    ),
    Phrase("add mask", "secret", "::add-mask::", r"::add-mask::([^\s\"'`\\$]{6,400})", accept_option),
)
